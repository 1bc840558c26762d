"""The gate of pauses by hand, in a delivery: what stops, what goes on, and in which order it comes back."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import uuid_utils.compat
from pytest_django import Settings

from harness.services.waiting import wait_until
from notifications.channels.base import Outgoing
from notifications.ledger.pauses.in_force import LONGEST_WAIT, Pauses
from notifications.ledger.pauses.targets import PLATFORM, Target
from notifications.ledger.pauses.verbs import pause, resume
from notifications.ledger.rows import Claimed
from notifications.messages.words import PauseKind, Reason, Status
from notifications.models import Attempt, Notification, Pause
from notifications.sending.by_hand import BEHIND, READS_AFTER, ByHand
from notifications.sending.gates import Later
from tests.notifications.rows import Scripted, ago, claimed, ids, read, row, seconds_until
from tests.notifications.running import Run, settled

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL, SMTP = Target(PauseKind.CHANNEL, "EMAIL"), Target(PauseKind.PROVIDER, "smtp")
NEWS, DESK = Target(PauseKind.CATEGORY, "news"), Target(PauseKind.CLIENT, "desk")
WHO: dict[str, Any] = {"actor": "anna", "reason": "because"}


def known() -> Pauses:
    pauses = Pauses()
    pauses.refresh()
    return pauses


def gate(*providers: str) -> ByHand:
    return ByHand("EMAIL", providers or ("smtp",), known())


def test_only_what_a_pause_names_waits_until_its_end() -> None:
    batch = [claimed(1, category="news"), claimed(2, client="desk"), claimed(3), claimed(4, category="news")]
    assert gate().split(batch).go == batch
    pause(NEWS, **WHO, lasts=timedelta(hours=1))
    pause(DESK, **WHO)
    split = gate().split(batch)
    assert ids(split.go) == ids([batch[2]])
    assert [(later.row.id, later.reason) for later in split.later] == [
        (batch[0].id, Reason.STOPPED),
        (batch[1].id, Reason.STOPPED),
        (batch[3].id, Reason.STOPPED),
    ]
    assert 3500 < split.later[0].due_in <= 3600
    assert split.later[1].due_in == LONGEST_WAIT
    assert split.end == []


@pytest.mark.parametrize("target", [EMAIL, SMTP, PLATFORM], ids=str)
def test_a_whole_channel_is_not_read_until_its_records_could_be_gone(target: Target, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "kafka:9092"
    assert gate().reads() is None
    pause(target, **WHO)
    assert gate().reads() is False
    batch = [claimed(1)]
    assert [later.row for later in gate().split(batch).later] == batch, "read in the last moment"
    Pause.objects.update(began_at=Pause.objects.get().began_at - timedelta(seconds=READS_AFTER + 5))
    assert gate().reads() is (target != PLATFORM)
    settings.KAFKA_BOOTSTRAP_SERVERS = ""
    assert gate().reads() is False, "without Kafka nothing goes by itself"


def test_a_pause_ends_at_its_time_before_it_is_read_again() -> None:
    pause(EMAIL, **WHO, lasts=timedelta(seconds=3600))
    begun = ByHand("EMAIL", ["smtp"], pauses := known())
    assert begun.left_of_channel()
    Pause.objects.update(until=Pause.objects.get().began_at + timedelta(milliseconds=100))
    pauses.refresh()
    wait_until(lambda: begun.reads() is None, what="it is over")
    assert pauses.just_ended


def newer(receiver_hash: str = "0" * 32, **fields: Any) -> Claimed:
    """Claimed just now, of a notification that was accepted just now."""
    return claimed(receiver_hash=receiver_hash, id=uuid_utils.compat.uuid7(), **fields)


def test_what_is_new_of_a_receiver_waits_for_what_comes_back() -> None:
    pause(NEWS, **WHO)
    old = row(Status.WAITING, reason=Reason.STOPPED, category="news", due_at=ago(-3600))
    new, other, of_bulk = newer(old.receiver_hash), newer(), newer(old.receiver_hash, priority="bulk")
    assert gate().split([new, other]).go == [new, other], "it is paused still"
    resume(NEWS, **WHO)
    split = gate().split([new, other, of_bulk])
    assert split.go == [other, of_bulk]
    assert split.later == [Later(new, Reason.STOPPED, BEHIND)]
    back = newer(old.receiver_hash, reason=Reason.STOPPED)
    assert gate().split([back]).later, "two schedulers published them the wrong way round"
    Notification.objects.update(status=Status.QUEUED, listed="queued")
    assert gate().split([new]).later, "it is published, behind this one in its topic"
    assert gate().split([back]).later, "this may have been published before it"
    Notification.objects.update(status=Status.SENDING, listed=None)
    assert gate().split([new]).go == [new]


def test_what_comes_back_goes_first_where_its_record_is_behind_a_newer_one() -> None:
    """Both are in one batch, so that the claim has taken the older one from the list of what waits."""
    pause(NEWS, **WHO)
    resume(NEWS, **WHO)
    new, back = claimed(2, category="news"), claimed(1, category="news", reason="stopped")
    assert gate().split([new, back]).go == [back, new]


def test_what_waits_in_memory_goes_back_unspent_and_what_is_under_way_ends(run: Run) -> None:
    entered, released = threading.Event(), threading.Event()

    def hang(_: Outgoing) -> str:
        entered.set()
        assert released.wait(60)
        return "provider-id"

    rows = [row(receiver="ann@example.com") for _ in range(6)]
    running = run(Scripted(hang))
    assert entered.wait(60)
    wait_until(lambda: running.delivery._pool.lane_length("transactional", rows[0].receiver_hash) == 6)
    pause(EMAIL, **WHO, lasts=timedelta(hours=1))
    running.pauses.refresh()
    running.delivery.look_after()
    settled(Status.WAITING, *rows[1:])
    released.set()
    settled(Status.SENT, rows[0])
    found = Notification.objects.filter(status=Status.WAITING).values_list("reason", "attempts", "deferred_since")
    assert set(found) == {(Reason.STOPPED, 0, None)}
    assert 3400 < (seconds_until("due_at", rows[1].id) or 0) <= 3600
    assert not Attempt.objects.exists()
    assert running.channel.handed == [rows[0].id]


def test_a_provider_that_is_paused_is_passed_over_for_the_next(run: Run) -> None:
    pause(Target(PauseKind.PROVIDER, "first"), **WHO)
    running = run(Scripted(name="first"), others=[Scripted(name="second")])
    running.pauses.refresh()
    sent = row()
    settled(Status.SENT, sent)
    assert read(sent.id).provider == "second"
