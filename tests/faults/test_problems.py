"""Schedulers that die while they give letters their problem."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.services.waiting import wait_until
from tests.faults.site import BLOCKED, Site, locked, wait_until_blocked

LETTERS = 5000  # five batches
WORDS = 4  # so many problems
ADD_HOURS = "/* add_hours */"
STOP_WRITING = "LOCK TABLE dlq_problemhour IN SHARE MODE"


def _fill(site: Site) -> None:
    """Letters of records that could not be read, which died in two hours, with four answers."""
    site.platform.sql(
        'INSERT INTO dlq_deadletter (state, channel, cause, error, attempts, topic, partition, "offset", deaths,'
        ' repeats, discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, died_at, changed_at)"
        f" SELECT 'open', 'SMS', 'undecodable', chr(97 + n % {WORDS}) || ' is wrong at ' || n, 0, 'sms', 0, n, 1, 1,"
        " '', '', '', '', '', '', false, '', '', now() - (n % 2) * interval '1 hour', now()"
        f" FROM generate_series(1, {LETTERS}) AS n"
    )


def _without(site: Site) -> int:
    rows = site.platform.sql("SELECT count(*) AS count FROM dlq_deadletter WHERE problem_id IS NULL")
    return int(rows[0]["count"])


def _wait_until_assigned(site: Site) -> None:
    """Each letter has its problem, and each death was counted once."""
    wait_until(lambda: _without(site) == 0, deadline=60, what="each letter has its problem")
    letters = site.platform.sql("SELECT problem_id AS id, count(*) AS count FROM dlq_deadletter GROUP BY 1")
    expected = Counter({row["id"]: row["count"] for row in letters})
    assert sorted(expected.values()) == [LETTERS // WORDS] * WORDS
    for table, column in (("dlq_problem", "id"), ("dlq_problemhour", "problem_id")):
        counted = site.platform.sql(f"SELECT {column} AS id, sum(deaths) AS count FROM {table} GROUP BY 1")
        assert Counter({row["id"]: int(row["count"]) for row in counted}) == expected, table


@pytest.mark.fault(37)
def test_a_killed_scheduler_loses_no_death_and_counts_none_twice(site: Site) -> None:
    _fill(site)
    with locked(site, STOP_WRITING):
        first = site.platform.start_scheduler()
        wait_until_blocked(site, ADD_HOURS)
        first.kill()
        second = site.platform.start_scheduler()
        wait_until(lambda: len(_blocked(site)) >= 1, what="the second one is in the middle, too")
    wait_until(lambda: _without(site) < LETTERS, what="the first batches are done")
    second.kill()
    site.struck()
    site.wait_until_database_is_idle()
    site.platform.start_scheduler()
    _wait_until_assigned(site)
    site.wait_until_settled()
    site.balance()


@pytest.mark.fault(37)
def test_schedulers_side_by_side_share_the_letters(site: Site) -> None:
    _fill(site)
    with locked(site, STOP_WRITING):
        schedulers = [site.platform.start_scheduler() for _ in range(3)]
        wait_until(lambda: len(_blocked(site)) == 3, what="all three are in the middle of a batch")
        schedulers[0].kill()
    _wait_until_assigned(site)
    assert all(scheduler.running for scheduler in schedulers[1:])
    assert not any("deadlock" in scheduler.output for scheduler in schedulers)
    site.wait_until_settled()
    site.balance()


def _blocked(site: Site) -> list[dict[str, object]]:
    """The connections that wait for a lock while they assign letters."""
    return site.platform.sql(f"SELECT pid {BLOCKED} AND (query LIKE '%{ADD_HOURS}%' OR query LIKE '%make_problems%')")
