"""The demo's week is one that our workers could have left behind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from dlq.models import DeadLetter, Run
from notifications.messages.words import Status
from notifications.models import Attempt, BreakerEvent, Minute, Notification
from project.demo.seed import seed
from users.models import User

pytestmark = pytest.mark.django_db


def test_the_week_balances(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo")
    with pytest.raises(SystemExit) as end:
        call_command("balance")
    assert (end.value.code, "It balances." in capsys.readouterr().out) == (0, True)


def test_it_has_what_the_tour_needs() -> None:
    seed()
    letters = DeadLetter.objects.filter(state="open")
    assert BreakerEvent.objects.filter(state="open").count() == 2
    assert letters.filter(cause="unknown-receiver", notification__receiver__endswith="@gmial.com").count() > 10
    assert letters.filter(notification__status=Status.HELD).exists()
    assert Minute.objects.filter(happened="dead").exists()


@pytest.mark.sqlite
def test_its_run_has_the_figures_of_one_that_is_done() -> None:
    seed()
    run = Run.objects.get()
    assert run.letters.filter(state="resolved").count() == run.taken == run.going == run.sent > 0
    assert run.sent + sum(run.left_out.values()) == run.asked
    assert (run.to_come, set(run.left_out)) == (0, {"sensitive"})


@pytest.mark.sqlite
def test_what_died_at_once_was_not_to_be_tried_again() -> None:
    seed()
    news = DeadLetter.objects.filter(cause="rejected-content")
    minutes = Minute.objects.filter(happened="failed", minute__gte=news.earliest("died_at").died_at)
    waiting = Attempt.objects.filter(notification__status=Status.WAITING).count()
    assert sum(minutes.values_list("count", flat=True)) == waiting < news.count()


@pytest.mark.sqlite
def test_a_letter_says_of_its_notification_what_that_says_itself() -> None:
    seed()
    for letter in DeadLetter.objects.select_related("notification"):
        row = letter.notification
        assert row is not None
        names = ("channel", "provider", "client", "category", "user", "receiver_hash", "expires_at")
        assert [getattr(letter, name) for name in names] == [getattr(row, name) for name in names]


@pytest.mark.sqlite
def test_the_same_chance_gives_the_same_week() -> None:
    now = datetime(2026, 11, 30, 12, 34, tzinfo=UTC)
    first = seed(now)
    ids = set(Notification.objects.values_list("id", flat=True))
    Notification.objects.all().delete()
    DeadLetter.objects.all().delete()
    Minute.objects.all().delete()
    User.objects.all().delete()
    assert seed(now) == first
    assert set(Notification.objects.values_list("id", flat=True)) == ids


def test_a_database_with_something_in_it_is_left_alone() -> None:
    seed()
    count = Notification.objects.count()
    with pytest.raises(CommandError, match="empty"):
        call_command("seed_demo")
    assert Notification.objects.count() == count
