"""The largest messages must not take more memory than the pods of deploy/kubernetes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.deploy.rendered import pod, workloads

MEBIBYTE = 1024**2
LEFT = 0.75  # of a pod's limit may be used: the rest is for what a test does not reach


def limit(part: str) -> float:
    """What the container of that part may use, in MiB."""
    (container,) = pod(workloads("production")[part])["containers"]
    return float(container["resources"]["limits"]["memory"].removesuffix("Mi"))


def most_used(process: Process) -> float:
    """The most memory a process has had resident, in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (kib,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return kib / 1024


def add_due_mails(platform: Platform, count: int, text: int, html: int) -> None:
    """Mails that wait and are due, with so many bytes of text and of html."""
    columns = 'client, reference, channel, receiver, receiver_hash, subject, message, html, "user", category, priority'
    more = "status, reason, generation, claims, attempts, uncertain_count, provider, provider_message_id, last_cause"
    platform.sql(
        f"INSERT INTO notifications_notification (id, {columns}, {more}, last_error, topic, trace_id,"
        " listed, due_at, accepted_at)"
        " SELECT gen_random_uuid(), 'main', '', 'EMAIL', 'r' || n || '@example.com', md5(n::text), '',"
        f" repeat('x', {text}), repeat('y', {html}), '', 'default', 'transactional',"
        " 'waiting', 'retry', 0, 1, 0, 0, '', '', '', '', '', '', 'waiting', now(), now()"
        f" FROM generate_series(1, {count}) AS n"
    )


@pytest.mark.parametrize(("count", "text", "html"), [(1000, 100 * 1024, 0), (400, 256 * 1024, 256 * 1024)])
def test_scheduler_and_sender_stay_within_their_pods(
    connected: Platform, providers: Providers, count: int, text: int, html: int
) -> None:
    add_due_mails(connected, count, text, html)
    scheduler = connected.start_scheduler()
    published = f"SELECT 1 FROM notifications_notification WHERE status = 'queued' AND owner IS NULL OFFSET {count - 1}"
    wait_until(lambda: connected.sql(published), deadline=120, what="all are published")
    sender = connected.start_sender("--no-scheduler")
    connected.wait_for(sent=count)
    assert most_used(scheduler) < LEFT * limit("scheduler")
    assert most_used(sender) < LEFT * limit("sender-email")
