"""Long work whose runner dies, or whose database goes away, in the middle of a step."""

from __future__ import annotations

import pytest

from harness.services.postgres import Postgres
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from tests.faults.conftest import Opener
from tests.faults.site import LEASE, Site, locked, wait_until_blocked

OLD = 3000  # notifications to prune: six steps
DELETE = "/* delete_notifications */"
_ID = (
    "(lpad(to_hex((extract(epoch FROM now() - interval '95 days') * 1000)::bigint + n), 12, '0')"
    " || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid"
)


def _fill(site: Site) -> None:
    """Notifications of 95 days ago: all were sent, and each hundredth has a letter that is open."""
    columns = (
        'id, client, reference, channel, receiver, receiver_hash, subject, message, html, "user", category, priority,'
        " status, listed, reason, generation, claims, attempts, uncertain_count, provider, provider_message_id,"
        " last_cause, last_error, topic, trace_id, accepted_at, settled_at"
    )
    site.platform.sql(
        f"INSERT INTO notifications_notification ({columns})"
        f" SELECT {_ID}, 'main', '', 'SMS', '+4915100000000', 'hash', '', 'old ' || n, '', '', 'default',"
        " 'transactional', CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'sent' END,"
        " CASE WHEN n % 100 = 0 THEN 'dead' END, '', 0, 1, 0, 0, 'twilio', '', '', '', '',"
        f" '', now() - interval '95 days', now() FROM generate_series(1, {OLD}) AS n"
    )
    site.platform.sql(
        "INSERT INTO dlq_deadletter (notification_id, state, channel, cause, error, attempts, topic, deaths, repeats,"
        ' discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, died_at, changed_at) SELECT id, 'open', 'SMS', 'timeout', '', 1, '', 1, 1, '', provider,"
        " client, category, '', receiver_hash, false, '', '', now(), now()"
        " FROM notifications_notification WHERE status = 'dead'"
    )


def _lock_one(site: Site) -> str:
    """A statement that keeps the prune's third step from ending."""
    rows = site.platform.sql(
        "SELECT id FROM notifications_notification WHERE status = 'sent' ORDER BY id OFFSET 1200 LIMIT 1"
    )
    return f"SELECT 1 FROM notifications_notification WHERE id = '{rows[0]['id']}' FOR UPDATE"


def _job(site: Site) -> dict[str, object]:
    return site.platform.sql("SELECT state, done, total, failures, counts FROM notifications_job")[0]


def _wait_until_pruned(site: Site) -> None:
    """Each notification went once, and those with an open letter are there."""
    wait_until(lambda: _job(site)["state"] == "done", deadline=60, what=f"the job is done; it is {_job(site)}")
    gone = OLD - OLD // 100
    job = _job(site)
    assert (job["done"], job["total"], job["failures"]) == (gone, gone, 0)
    removed = site.platform.sql("SELECT sum((rows ->> 'sent')::int) AS count FROM notifications_prunedday")
    assert removed[0]["count"] == gone
    assert site.platform.statuses() == {"dead": OLD // 100}


@pytest.mark.fault(29)
def test_a_killed_schedulers_job_goes_on_where_it_was(site: Site) -> None:
    _fill(site)
    with locked(site, _lock_one(site)):
        first = site.platform.start_scheduler()
        wait_until_blocked(site, DELETE)
        begun = _job(site)
        assert begun["state"] == "running"
        assert begun["done"] == 1000, begun
        site.platform.start_scheduler()
        first.kill()
    site.struck()
    site.wait_until_database_is_idle()
    assert _job(site)["done"] == 1000, "a step that was killed moved the cursor"
    _wait_until_pruned(site)
    site.wait_until_settled()
    site.balance(maybe=OLD)


@pytest.mark.fault(29)
def test_an_outage_of_the_database_costs_a_job_nothing(
    open_with: Opener, own_postgres: Postgres, kafka: SharedKafka
) -> None:
    site = open_with(postgres_port=own_postgres.port, kafka_servers=kafka.servers)
    _fill(site)
    with locked(site, _lock_one(site)):
        scheduler = site.platform.start_scheduler()
        wait_until_blocked(site, DELETE)
        own_postgres.stop(immediate=True)
    wait_until(lambda: "jobs wait, for the database cannot be used" in scheduler.output, what="the runner waits")
    own_postgres.start()
    site.struck()
    _wait_until_pruned(site)
    assert "failed" not in scheduler.output
    assert scheduler.stop(LEASE + 10) == 0
    site.wait_until_settled()
    site.balance(maybe=OLD)


@pytest.mark.fault(29)
def test_a_scheduler_that_is_asked_to_end_leaves_a_job_to_the_others(site: Site) -> None:
    _fill(site)
    with locked(site, _lock_one(site)):
        first = site.platform.start_scheduler()
        wait_until_blocked(site, DELETE)
        assert first.stop(LEASE + 10) == 0
    site.platform.start_scheduler()
    _wait_until_pruned(site)
    site.balance(maybe=OLD)
