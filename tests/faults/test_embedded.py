"""The embedded default: everything on one machine dies at once."""

from __future__ import annotations

import contextlib
import sys
from http.client import HTTPException

import psutil
import pytest

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.platform.web import request
from harness.services.process import Process, free_ports
from harness.services.waiting import wait_until
from tests.faults.conftest import Recorder
from tests.faults.site import ENVIRONMENT, THREADS, Site

FULL = 64 * 1024  # bytes that a file may hold at most: less than the database's log of changes needs


@pytest.fixture
def embedded_site(embedded: Platform, providers: Providers, record_property: Recorder) -> Site:
    """As with `make run`; e-mail and SMS go to the sandbox."""
    embedded.environment |= ENVIRONMENT | {"PORT": str(free_ports(1)[0])}
    return Site(embedded, providers, record_property)


@pytest.mark.fault(24)
def test_killed_all_at_once_and_started_again_nothing_is_lost(embedded_site: Site) -> None:
    """300 accepted, `kill -9` of every process of `make run`, `make run` again."""
    site = embedded_site
    run = start_run(site.platform)
    for _ in range(3):
        site.send(50, "EMAIL")
        site.send(50, "SMS")
    wait_until(lambda: site.ids("status = 'sent'"), what="sending began")
    kill_tree(run)
    site.struck()
    assert len(site.ids("status = 'sent'")) < 300, "it was killed too late"
    start_run(site.platform)
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 300}
    site.balance(duplicates=3 * THREADS, embedded=True)


def start_run(platform: Platform) -> Process:
    """`make run`, once it answers."""
    run = platform.start("run", [sys.executable, "-m", "project.run.local"])
    port = int(platform.environment["PORT"])
    platform.ports.append(port)
    wait_until(lambda: _is_live(port) or not run.running, deadline=60, what="it answers")
    assert run.running, run.output
    return run


def kill_tree(process: Process) -> None:
    """SIGKILL to it and all its descendants, at once."""
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2, "web and sender"
    for each in (psutil.Process(process.pid), *children):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _is_live(port: int) -> bool:
    try:
        return request(port, "GET", "/health/live").status == 200
    except (OSError, HTTPException):
        return False


@pytest.mark.fault(22)
def test_a_full_disk_accepts_nothing_and_says_so(embedded_site: Site) -> None:
    """No file may grow: what a full disk answers, for these processes alone."""
    site = embedded_site
    run = start_run(site.platform)
    site.send(3, "SMS")
    site.wait_until_settled()
    everybody = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    for each in everybody:
        each.rlimit(psutil.RLIMIT_FSIZE, (FULL, psutil.RLIM_INFINITY))
    wait_until(lambda: _post(site) == 503, what="nothing more is accepted")
    before = len(site.ids("true"))
    for key in (None, "with a key"):
        answer = site.platform.post(_mail(site), key=key)
        assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), answer.body
    assert site.post_batch([_mail(site)]).status == 503
    assert len(site.ids("true")) == before
    for each in everybody:
        each.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    site.struck()
    site.send(10, "SMS")
    site.wait_until_settled()
    site.balance(embedded=True)
    assert "Traceback" not in run.output
    assert run.running


def _post(site: Site) -> int:
    """Post one, and remember it if it was accepted; the status."""
    item = _mail(site)
    answer = site.platform.post(item)
    if answer.status == 202:
        site.accepted[answer.json()["id"]] = item["message"]
    return answer.status


def _mail(site: Site) -> dict[str, str]:
    return site.items(1, "EMAIL")[0]
