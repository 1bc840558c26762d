"""The database goes away, or takes nothing more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from harness.platform.web import metric, request
from harness.services.postgres import Postgres
from harness.services.process import free_ports
from harness.services.proxy import Proxy
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from tests.faults.conftest import Opener
from tests.faults.site import BLOCKED, LEASE, THREADS, Site, locked, wait_until_blocked, wait_until_sending

pytestmark = pytest.mark.xdist_group("own-postgres")


@pytest.fixture
def site(open_with: Opener, own_postgres: Postgres, kafka: SharedKafka) -> Site:
    """On the module's own PostgreSQL, which each test gives back as it was."""
    return open_with(postgres_port=own_postgres.port, kafka_servers=kafka.servers)


@pytest.mark.fault(7)
def test_a_batch_whose_claim_the_database_did_not_survive_is_claimed_again(site: Site, own_postgres: Postgres) -> None:
    site.platform.start_web()
    site.send(1)
    sender = site.platform.start_sender()
    site.wait_until_settled()
    with locked(site, "LOCK TABLE notifications_notification IN EXCLUSIVE MODE"):
        site.send(60)
        wait_until_blocked(site, "INSERT INTO notifications_notification AS n")
        own_postgres.stop(immediate=True)
    own_postgres.start()
    site.struck()
    site.wait_until_settled()
    assert sender.running
    assert site.ids("status <> 'sent' OR claims <> 1 OR uncertain_count > 0") == set()
    assert site.took() == 61
    site.balance()


@pytest.mark.fault(8)
def test_what_cannot_be_settled_is_kept_and_settled_later(site: Site, own_postgres: Postgres) -> None:
    (port,) = free_ports(1)
    site.providers.twilio.answer(delay=1.0)
    site.platform.start_web()
    sender = site.platform.start_sender("--channels", "SMS", "--metrics-port", str(port))
    wait_until_sending(sender)
    site.send(THREADS, "SMS")
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
    own_postgres.stop(immediate=True)
    site.wait_until_took(THREADS)
    wait_until(lambda: "the ledger cannot be written, keeping" in sender.output, what="it keeps the results")
    assert metric(port, "notifications_unsettled") == THREADS
    own_postgres.start()
    site.struck()
    site.wait_until_settled()
    assert site.ids("status <> 'sent' OR claims <> 1 OR uncertain_count > 0") == set()
    site.balance()


@pytest.mark.fault(9)
def test_accepted_by_the_provider_and_never_settled_is_uncertain(site: Site) -> None:
    """The policy of the category decides: it is sent again, or a person decides."""
    site.hold("careful")
    site.providers.twilio.answer(delay=1.0)
    site.platform.start_web()
    sender = site.platform.start_sender("--channels", "SMS")
    wait_until_sending(sender)
    half = THREADS // 2
    resent = set(site.send(half, "SMS"))
    held = set(site.send(half, "SMS", category="careful"))
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
    with locked(site, "SELECT * FROM notifications_notification FOR UPDATE"):
        site.wait_until_took(THREADS)
        wait_until_blocked(site, "UPDATE notifications_notification")
        sender.kill()
        wait_until(lambda: not _settling(site), what="its settle is undone")
    site.struck()
    assert site.ids("status = 'sending' AND lease_until IS NOT NULL") == resent | held

    site.platform.start_sender("--channels", "SMS")
    site.wait_until_settled()
    assert site.ids("status = 'sent' AND uncertain_count = 1 AND attempts = 1 AND claims = 2") == resent
    assert site.ids("status = 'held' AND uncertain_count = 1 AND claims = 1") == held
    assert site.attempts("lease-expired") == resent | held
    letters = site.platform.sql("SELECT notification_id AS id, state, cause FROM dlq_deadletter")
    assert {row["id"] for row in letters} == held
    assert {(row["state"], row["cause"]) for row in letters} == {("open", "outcome-unknown")}
    assert site.balance(duplicates=half).duplicated == half


def _settling(site: Site) -> bool:
    """PostgreSQL notices a dead client only when it answers it: end what waits for our lock."""
    found = site.platform.sql(
        f"SELECT pg_terminate_backend(pid) {BLOCKED} AND query LIKE '%UPDATE notifications_notification%'"
    )
    return bool(found)


@pytest.mark.fault(26)
def test_a_database_away_for_longer_than_a_lease_expires_nobody(site: Site, own_postgres: Postgres) -> None:
    site.providers.twilio.answer(delay=1.0)
    site.platform.start_web()
    site.platform.start_scheduler()
    sender = site.platform.start_sender("--channels", "SMS")
    wait_until_sending(sender)
    ids = set(site.send(THREADS, "SMS"))
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
    leases = site.platform.sql("SELECT max(lease_until) AS last FROM notifications_notification")[0]["last"]
    own_postgres.stop(immediate=True)
    site.wait_until_took(THREADS)
    wait_until(lambda: "the ledger cannot be written, keeping" in sender.output, what="it keeps the results")
    _wait_until_passed(leases)
    own_postgres.start()
    site.struck()
    site.wait_until_settled()
    assert site.ids("status = 'sent' AND claims = 1 AND attempts = 0 AND uncertain_count = 0") == ids
    assert site.platform.sql("SELECT * FROM notifications_attempt") == []
    site.balance()


@pytest.mark.fault(26)
def test_a_database_that_hangs_for_longer_than_a_lease_expires_nobody(
    open_with: Opener, own_postgres: Postgres, kafka: SharedKafka
) -> None:
    """Nothing fails then: the statements just take that long."""
    with Proxy(own_postgres.port) as proxy:
        site = open_with(postgres_port=own_postgres.port, kafka_servers=kafka.servers, database_port=proxy.port)
        site.providers.twilio.answer(delay=1.0)
        site.platform.start_web()
        site.platform.start_scheduler()
        sender = site.platform.start_sender("--channels", "SMS")
        wait_until_sending(sender)
        _wait_until_trusted(site)
        ids = set(site.send(THREADS, "SMS"))
        wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
        leases = site.platform.sql("SELECT max(lease_until) AS last FROM notifications_notification")[0]["last"]
        proxy.hang()
        site.wait_until_took(THREADS)
        _wait_until_passed(leases)
        proxy.resume()
        site.struck()
        site.wait_until_settled()
        assert site.ids("status = 'sent' AND claims = 1 AND attempts = 0 AND uncertain_count = 0") == ids
        site.balance()


def _wait_until_passed(moment: datetime) -> None:
    wait_until(lambda: datetime.now(UTC) > moment + timedelta(seconds=1), what="the leases would have passed")


def _wait_until_trusted(site: Site) -> None:
    """A scheduler sweeps nothing in its first seconds."""
    young = f"SELECT 1 FROM notifications_workerheartbeat WHERE started_at > now() - interval '{LEASE + 1} seconds'"
    seen = "SELECT 1 FROM notifications_workerheartbeat WHERE kind = 'scheduler'"
    wait_until(lambda: len(site.platform.sql(seen)) == 2 and not site.platform.sql(young), what="they trust the clock")


@pytest.mark.fault(22)
def test_a_database_that_takes_nothing_more_is_said_and_survived(site: Site, own_postgres: Postgres) -> None:
    """Read-only, as a full disk or a failed-over primary is."""
    site.platform.start_web()
    sender = site.platform.start_sender()
    site.send(3)
    site.wait_until_settled()
    (name,) = (row["name"] for row in site.platform.sql("SELECT current_database() AS name"))
    own_postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    own_postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    for item in site.items(2):
        answer = site.platform.post(item, key=item["message"])
        assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), answer.body
    site.send(30)
    wait_until(lambda: "the ledger cannot be reached" in sender.output, what="the sender says so")
    assert len(site.ids("true")) == 3
    own_postgres.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    own_postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 33}
    site.balance()


@pytest.mark.fault(22)
def test_connections_to_a_demoted_primary_are_dropped_and_all_go_on_at_the_new_one(
    site: Site, own_postgres: Postgres
) -> None:
    """Sessions that are open become read-only, as on an old primary that lives on; new ones can write."""
    site.platform.start_web()
    workers = [site.platform.start_sender("--no-scheduler"), site.platform.start_scheduler()]
    site.send(3)
    site.wait_until_settled()
    (name,) = (row["name"] for row in site.platform.sql("SELECT current_database() AS name"))
    own_postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
    own_postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        own_postgres.execute("SELECT pg_reload_conf()")
        for item in site.items(20):
            id = wait_until(partial(_accepted, site, item), deadline=20, what="a repetition is answered 202")
            site.accepted[id] = item["message"]
        site.struck()
        site.wait_until_settled()
        assert site.platform.get("/health/ready").status == 200
        assert all(worker.running for worker in workers)
    finally:
        own_postgres.execute("ALTER SYSTEM RESET default_transaction_read_only")
        own_postgres.execute("SELECT pg_reload_conf()")
    site.balance()


def _accepted(site: Site, item: dict[str, str]) -> str:
    """The id, or "" where it was not accepted."""
    answer = site.platform.post(item, key=item["message"])
    return str(UUID(answer.json()["id"])) if answer.status == 202 else ""


def test_ready_says_that_the_database_takes_no_writes(site: Site, own_postgres: Postgres) -> None:
    """Of the web, and of a sender, which has its partitions by then."""
    site.platform.start_web()
    (port,) = free_ports(1)
    sender = site.platform.start_sender("--no-scheduler", "--metrics-port", str(port))
    wait_until_sending(sender)

    def answer() -> tuple[int, str]:
        found = request(port, "GET", "/health/ready")
        return found.status, found.body.decode()

    wait_until(lambda: answer() == (200, "ok\n"), what="the sender is ready")
    assert site.platform.get("/health/ready").status == 200
    own_postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        own_postgres.execute("SELECT pg_reload_conf()")
        wait_until(lambda: site.platform.get("/health/ready").status == 503, what="it is not ready")
        assert "read-only" in site.platform.get("/health/ready").json()["missing"]["database"]
        assert answer()[0] == 503
        assert answer()[1].startswith("The database takes no writes. It is read-only")
    finally:
        own_postgres.execute("ALTER SYSTEM RESET default_transaction_read_only")
        own_postgres.execute("SELECT pg_reload_conf()")
    wait_until(lambda: site.platform.get("/health/ready").status == 200, what="it is ready again")
    wait_until(lambda: answer()[0] == 200, what="the sender is ready again")
