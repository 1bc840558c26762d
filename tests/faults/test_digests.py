"""Schedulers that die while they close digests: each member is in exactly one, and none is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.services.waiting import wait_until
from tests.faults.site import Site, locked, wait_until_blocked

# The first of each transaction that writes, or the last. tests/notifications/ledger/digests has all the others, in
# one process: here it is a real one that is killed.
STATEMENTS = ("stop_joining", "move_digests", "end_all")
MEMBERS = 5
TABLES = ("notifications_notification", "notifications_digest")
STAND_STILL = """
    CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM stopped_statement AS s WHERE strpos(current_query(), s.name) > 0) THEN
            PERFORM pg_advisory_xact_lock_shared(39);
        END IF;
        RETURN NULL;
    END $$"""


def _let_statements_be_stopped(site: Site) -> None:
    site.platform.sql("CREATE TABLE stopped_statement (name text)")
    site.platform.sql(STAND_STILL)
    for table in TABLES:
        site.platform.sql(
            f"CREATE TRIGGER stand_still BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION stand_still()"
        )


@contextmanager
def stopped(site: Site, name: str) -> Iterator[None]:
    """Whoever makes the statement of that name waits."""
    with locked(site, "SELECT pg_advisory_lock(39)"):
        site.platform.sql(f"INSERT INTO stopped_statement VALUES ('/* {name} */')")
        yield
        site.platform.sql("DELETE FROM stopped_statement")


@pytest.mark.fault(39)
def test_a_scheduler_that_is_killed_at_any_statement_of_a_digest_sends_its_members_once(site: Site) -> None:
    _let_statements_be_stopped(site)
    site.digest("news", 1)
    site.platform.start_web()
    site.platform.start_sender("--no-scheduler")
    scheduler = site.platform.start_scheduler()
    for number, statement in enumerate(STATEMENTS, 1):
        with stopped(site, statement):
            site.send(MEMBERS, "EMAIL", category="news", receiver=f"ann{number}@example.com")
            wait_until_blocked(site, f"/* {statement} */")
            other = site.platform.start_scheduler()
            scheduler.kill()
        site.struck()
        _wait_until_digested(site, number * MEMBERS)
        scheduler = other
    site.wait_until_settled()
    assert site.platform.statuses() == {"digested": len(STATEMENTS) * MEMBERS, "sent": len(STATEMENTS)}
    assert site.took() == len(STATEMENTS)
    site.balance()


def _wait_until_digested(site: Site, count: int) -> None:
    wait_until(lambda: site.platform.statuses()["digested"] == count, deadline=60, what=f"{count} are digested")
