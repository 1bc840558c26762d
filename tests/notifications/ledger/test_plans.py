"""The plans of the hot statements on PostgreSQL: each must find its rows, never walk an index or a partition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from dlq.models import DeadLetter
from notifications.brokers.base import LOOK_AHEAD, POLL_BYTES
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import due, leases, stopped, verdicts
from notifications.ledger.cancel import cancel, meet_stubs
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.partitions import partitions
from notifications.ledger.rows import TABLE, Claimed
from notifications.ledger.settle import Settlement, mark_handed, renew, settle
from notifications.ledger.waking import wake
from notifications.messages.ids import first_id_at, receiver_hash, receiver_hashes
from notifications.messages.words import Reason, Status, standing
from notifications.models import Notification
from project.database.dialects import as_json, fetch
from project.desk.search import first_matches, notification_matches
from project.web.paging import NewestFirst
from tests.caller import Api, issue, json_of, keys_required
from tests.notifications.ledger.plans import (
    RECEIVER,
    WALKED,
    Explain,
    assert_no_scan,
    assert_only_of_today,
    explain,
    full_ledger,
    indexes,
    touched,
)
from tests.notifications.rows import ago, claim, incoming, message, pass_leases, row
from tests.plans import explained, rows_read

__all__ = ["explain", "full_ledger", "keys_required"]
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]


def a_batch() -> list[Claimed]:
    return claim(*(message() for _ in range(500)))


PRIMARY = f"{TABLE}_pkey"


def test_the_claim_is_decided_by_the_primary_key(explain: Explain) -> None:
    nodes = explain(a_batch)
    (insert,) = [node for node in nodes if node["Node Type"] == "ModifyTable"]
    assert insert["Conflict Arbiter Indexes"] == [PRIMARY]
    assert insert["Conflict Resolution"] == "UPDATE"
    assert_no_scan(nodes)
    assert_only_of_today(nodes)
    assert not indexes(nodes) & WALKED


FAILED = verdicts.failed(SendError(Cause.TIMEOUT), attempts=0, hold=False, schedule=(9.0,))


@pytest.mark.parametrize("verdict", [verdicts.sent("x"), FAILED], ids=["sent", "failed"])
def test_settling_finds_its_rows_by_the_primary_key(explain: Explain, verdict: verdicts.Verdict) -> None:
    claims = a_batch()
    nodes = explain(lambda: settle([Settlement(one, verdict) for one in claims], hooks=NO_HOOKS))
    assert indexes(nodes) == {PRIMARY}
    assert_no_scan(nodes)
    assert_only_of_today(nodes)


def test_settling_looks_each_id_up_where_statistics_end_before_the_batch(explain: Explain) -> None:
    """Otherwise the planner believes the range of the batch to be empty, and compares all with all."""
    begin = first_id_at(partitions()[-1].until - timedelta(hours=1)).int | 7 << 76 | 2 << 62
    claims = claim(*(message(id=UUID(int=begin + n)) for n in range(500)))
    nodes = explain(lambda: settle([Settlement(one, verdicts.sent("x")) for one in claims], hooks=NO_HOOKS))
    (condition,) = [node["Index Cond"] for node in nodes if "Index Cond" in node]
    assert "id = r.id" in condition


@pytest.mark.parametrize("work", [lambda claims: renew(claims, lease=60), mark_handed], ids=["renew", "mark_handed"])
def test_renewing_and_noting_find_their_rows_by_the_primary_key(explain: Explain, work: Any) -> None:
    claims = a_batch()
    nodes = explain(lambda: work(claims))
    assert indexes(nodes) == {PRIMARY}
    assert_no_scan(nodes)
    assert_only_of_today(nodes)


def test_marking_what_was_published_finds_its_rows_by_the_primary_key(explain: Explain) -> None:
    batch = [message().id for _ in range(500)]
    nodes = explain(lambda: due.mark_published("me", batch))
    assert indexes(nodes) == {PRIMARY}
    assert_no_scan(nodes)
    assert_only_of_today(nodes)


def test_settling_what_was_sent_touches_no_index(full_ledger: None) -> None:
    """PostgreSQL calls such an update HOT. It is none where a column changes that an index or its condition names."""
    claims = a_batch()
    updated, hot = updates()
    assert len(settle([Settlement(one, verdicts.sent("x")) for one in claims], hooks=NO_HOOKS)) == 500
    assert updates() == (updated + 500, hot + 500)


def updates() -> tuple[int, int]:
    """Returns the updates of this session, and how many of them were HOT, as far as they are not handed in yet."""
    ((updated, hot),) = fetch(
        "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_xact_user_tables WHERE relname LIKE %s", [f"{TABLE}_%"]
    )
    return int(updated), int(hot)


def test_the_sweep_finds_its_rows_by_the_primary_key(explain: Explain) -> None:
    claims = a_batch()
    settle([Settlement(one, verdicts.sent("x")) for one in claims[100:]], hooks=NO_HOOKS)
    pass_leases(*claims[:100])
    nodes = explain(lambda: leases.sweep((1.0,), 500, hooks=NO_HOOKS))
    assert indexes(nodes) == {PRIMARY}
    assert_no_scan(nodes)
    assert_only_of_today(nodes)


SCHEDULERS: list[tuple[Callable[[], Any], set[str]]] = [
    (due.anything, {"ledger_due", "ledger_listed"}),
    (lambda: due.take_due("me", 500), {"ledger_due", "ledger_listed"}),
    (lambda: due.expire(500, hooks=NO_HOOKS), {"ledger_due"}),
    (lambda: due.give_up(60, 500, hooks=NO_HOOKS), {"ledger_deferred"}),
    (lambda: due.queued("EMAIL", "transactional", 500, most_bytes=POLL_BYTES), {"ledger_free"}),
    (lambda: due.queued("EMAIL", "transactional", 500, most_bytes=POLL_BYTES, look_ahead=LOOK_AHEAD), {"ledger_free"}),
    (Notification.objects.overdue_seconds, {"ledger_due"}),
]


def test_what_the_scheduler_looks_for_is_found_by_its_index(explain: Explain) -> None:
    for work, index in SCHEDULERS:
        nodes = explain(work)
        assert indexes(nodes) - {PRIMARY} == index
        assert_no_scan(nodes)


OF_FEW = ("ledger_stopped", "ledger_reason", "ledger_due")


def test_what_a_pause_has_stopped_is_found_by_the_indexes_of_the_few(explain: Explain) -> None:
    Notification.objects.filter(status=Status.WAITING).update(reason=Reason.STOPPED)
    fetch(f"ANALYZE {TABLE}")
    batch = a_batch()
    for work in (partial(stopped.behind, batch), partial(stopped.release, 1, 500), stopped.any_left):
        nodes = explain(work)
        assert indexes(nodes) <= {*OF_FEW, PRIMARY, "pause_once", "notifications_pause_pkey"}
        assert_no_scan([node for node in nodes if node.get("Relation Name") != "notifications_pause"])
    assert "ledger_stopped" in indexes(explain(partial(stopped.behind, batch)))


def test_what_waits_for_people_is_found_by_an_index(explain: Explain) -> None:
    people = as_json([{"username": str(number)} for number in range(50)])
    nodes = explain(lambda: wake(people=people, limit=500))
    assert indexes(nodes) <= {"ledger_user", "ledger_reason", "ledger_due", PRIMARY}
    assert_no_scan(nodes)


def test_a_look_at_what_was_accepted_lately_leaves_out_older_partitions(explain: Explain) -> None:
    since = first_id_at(partitions()[-2].until)
    looks: list[Callable[[], Any]] = [
        partial(due.anything, since=since),
        partial(due.take_due, "me", 500, since=since),
        partial(due.expire, 500, hooks=NO_HOOKS, since=since),
    ]
    for work in looks:
        assert touched(explain(work)) == {partitions()[-1].table}


def test_the_lists_of_the_api_and_the_admin_use_an_index(explain: Explain) -> None:
    everything = Notification.objects.all
    lists = [
        (everything(), PRIMARY),
        (everything().since(ago(3600)).until(ago(0)), PRIMARY),
        (everything().filter(receiver_hash="a" * 32), "ledger_receiver"),
        (everything().filter(user="7"), "ledger_user"),
        (everything().filter(reference="r"), "ledger_reference"),
        (everything().with_status(Status.DEAD), "ledger_listed"),
        (everything().filter(id=message().id), PRIMARY),
    ]
    for rows, index in lists:
        nodes = explain(partial(list, rows.order_by("-id")[:51]))
        assert indexes(nodes) == {index}
        assert_no_scan(nodes)
    assert_only_of_today(explain(lambda: list(everything().filter(id=message().id))))
    assert_only_of_today(explain(lambda: list(everything().since(ago(3600)).until(ago(0))[:51])))


def test_what_hangs_on_a_notification_is_found_by_its_id(explain: Explain) -> None:
    """As the admin does it: the list of letters with their notifications, and one notification's attempts."""
    dead = Notification.objects.filter(status=Status.WAITING)[:200]
    DeadLetter.objects.bulk_create(DeadLetter(notification=one, cause=Cause.TIMEOUT) for one in dead)
    fetch("ANALYZE dlq_deadletter")
    letters = explain(lambda: list(DeadLetter.objects.select_related("notification")[:51]))
    assert indexes(letters) >= {PRIMARY}
    assert_no_scan([node for node in letters if node.get("Relation Name") != "dlq_deadletter"])
    assert_only_of_today(explain(lambda: list(Notification.objects.filter(attempt_rows__notification=message().id))))


@pytest.mark.usefixtures("full_ledger", "keys_required")
def test_a_client_without_rows_reads_no_more_than_a_page_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever index its filters lead to: all rows there are another client's."""
    monkeypatch.setattr(NewestFirst, "most_read", 500)
    address = receiver_hash("SMS", RECEIVER)
    Notification.objects.filter(status=Status.SENT).update(reference="r", user="7", receiver_hash=address)
    Notification.objects.filter(status=Status.WAITING).update(reference="r", **standing(Status.DEAD))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLE}")
    api = Api(issue("read", "users", client="without rows"))
    api.get("/notifications")  # the API key is read
    by_one: list[dict[str, str]] = [{}, {"type": "SMS"}, {"reference": "r"}, {"user": "7"}, {"receiver": RECEIVER}]
    others = [{"status": "sent"}, {"status": "dead"}, {"reference": "r", "status": "dead"}]
    for query in [*by_one, *others, {"since": "2020-01-01T00:00:00Z"}]:
        answer, read = rows_of_ledger(partial(api.get, "/notifications", **query))
        assert json_of(answer)["results"] == []
        assert json_of(answer)["next"]
        assert read <= 3 * 500, query


@pytest.fixture
def many_of_one_receiver(full_ledger: None, settings: Settings) -> str:
    """A receiver with 1,570 of the rows, a third of them under each of today's key, a former one, and 1.0's none."""
    settings.HASH_KEYS = (b"new", *settings.HASH_KEYS)
    hashes = receiver_hashes("SMS", RECEIVER)
    assert len(hashes) == 3
    ids = list(Notification.objects.order_by("-id").values_list("id", flat=True)[: 1_570 * 14 : 14])
    for number, each in enumerate(hashes):
        assert Notification.objects.filter(id__in=ids[number::3]).update(receiver_hash=each) > 500
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLE}")
    return RECEIVER


@pytest.mark.usefixtures("keys_required")
def test_a_page_of_a_receiver_with_several_hashes_reads_no_more_than_it_may(
    many_of_one_receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NewestFirst, "most_read", 100)
    stranger, own = (Api(issue("read", "users", client=client)) for client in ("without rows", "shop"))
    for api, shown in ((stranger, 0), (own, 20)):
        api.get("/notifications")  # the API key is read
        link = f"/notifications?page_size=20&receiver=%2B{many_of_one_receiver[1:]}"
        for _ in range(3):
            answer, read = rows_of_ledger(partial(api.get, link))
            link = json_of(answer)["next"]
            assert len(json_of(answer)["results"]) == shown
            assert read <= 5 * 100


def test_a_search_in_the_admin_reads_no_more_rows_of_a_receiver_than_it_may(many_of_one_receiver: str) -> None:
    matches = [*notification_matches(many_of_one_receiver)]
    found, read = rows_of_ledger(lambda: list(first_matches(Notification.objects.order_by("-id"), matches, 50)))
    newest = Notification.objects.filter(receiver_hash__in=receiver_hashes("SMS", many_of_one_receiver))
    assert {row.id for row in found} >= set(newest.order_by("-id").values_list("id", flat=True)[:51])
    assert read <= 2 * 3 * 51 + 50  # each partition may give a row that is not needed


def rows_of_ledger(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and how many rows of the ledger its statements looked at."""
    with explained(lambda sql: TABLE in sql, analyzed=True) as nodes:
        return work(), rows_read(nodes)


def test_cancelling_and_what_a_cancelled_record_meets_are_found_by_the_primary_key(explain: Explain) -> None:
    """The second is looked for wherever records were claimed before, as after a rebalance."""
    queued, batch = row(), [message() for _ in range(500)]
    nodes = explain(lambda: cancel(queued.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True))
    for one, client in zip(batch[:4], ("shop", "shop", "bank", "bank"), strict=True):
        cancel(one.id, client=client, hooks=NO_HOOKS, may_be_in_kafka=True)
    met = explain(lambda: meet_stubs([incoming(one) for one in batch]))
    assert indexes([*nodes, *met]) == {PRIMARY}
    assert_no_scan([*nodes, *met])
    assert_only_of_today(met)
