"""Pausing and resuming: what is known by name, what is written down, and what the commands say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.ledger.pauses.targets import Target
from notifications.ledger.pauses.verbs import NotPaused, pause, resume
from notifications.messages.words import PauseKind, StaffVerb
from notifications.models import Category, Pause, StaffAction
from users.access.models import ApiKey

pytestmark = pytest.mark.django_db

NEWS = Target(PauseKind.CATEGORY, "news")


def test_who_what_from_until_and_why_are_kept(capsys: Any) -> None:
    call_command("pause", "email", "--for", "1h", "--reason", " wrong texts ")
    made = Pause.objects.in_force().get()
    assert (str(made), made.actor, made.reason) == ("EMAIL", "manage.py", "wrong texts")
    assert made.until == made.began_at + timedelta(hours=1)
    assert abs(made.began_at - timezone.now()) < timedelta(minutes=1)
    assert "EMAIL is paused until " in capsys.readouterr().out
    call_command("resume", "EMAIL", "--reason", "mended")
    ended = Pause.objects.get()
    assert ended.ended_at is not None
    assert ended.ended_by == "manage.py"
    assert [(one.action, one.target, one.reason) for one in StaffAction.objects.order_by("id")] == [
        (StaffVerb.PAUSE, "EMAIL", "wrong texts"),
        (StaffVerb.RESUME, "EMAIL", "mended"),
    ]
    assert StaffAction.objects.order_by("id")[0].after.startswith("paused until 2")


def test_what_is_paused_already_is_paused_anew_and_the_old_pause_stays_in_the_history() -> None:
    pause(NEWS, actor="anna", reason="one", lasts=timedelta(hours=1))
    pause(NEWS, actor="ben", reason="two")
    assert [(one.actor, one.ended_by) for one in Pause.objects.order_by("id")] == [("anna", "ben"), ("ben", "")]
    assert Pause.objects.in_force().get().until is None


def test_one_that_has_ended_by_itself_keeps_its_end_and_cannot_be_resumed() -> None:
    made = pause(NEWS, actor="anna", reason="one", lasts=timedelta(hours=1))
    past = made.began_at - timedelta(minutes=1)
    Pause.objects.update(until=past)
    assert not Pause.objects.in_force().exists()
    with pytest.raises(NotPaused, match="category:news is not paused"):
        resume(NEWS, actor="ben", reason="two")
    pause(NEWS, actor="ben", reason="two")
    assert Pause.objects.get(pk=made.pk).ended_at == past
    assert Pause.objects.get(pk=made.pk).ended_by == ""


WRONG = [
    (("pause", "EMIAL"), "There is no channel “EMIAL”. There are: EMAIL, SLACK, SMS."),
    (("pause", "provider:nobody"), "There are: sandbox, slack, smtp, twilio."),
    (("pause", "category:gone"), "There are: default, news."),
    (("pause", "client:nobody"), "There are: local, shop."),
    (("pause", "topic:email"), "“topic:” names nothing. Give EMAIL, SLACK, SMS, or one of provider:NAME"),
    (("pause", "EMAIL", "--for", "0h"), "must be a number of seconds, minutes, hours or days"),
    (("pause", "EMAIL", "--for=-1h"), "must be a number of seconds, minutes, hours or days"),
    (("pause", "EMAIL", "--for", "2030-01-01"), "must be a number of seconds, minutes, hours or days"),
    (("pause", "EMAIL", "--for", "9999d"), "must be a year at most"),
    (("pause", "EMAIL", "--reason", " "), "must have 1 to 1,000 characters"),
    (("resume", "SMS"), "SMS is not paused. Paused now: category:news."),
    (("read_only", "off"), "The platform is not read-only."),
]


@pytest.mark.parametrize(("words", "why"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_command_that_is_wrong_says_why_and_what_there_is(words: tuple[str, ...], why: str) -> None:
    Category.objects.create(name="news")
    ApiKey.issue(name="key", client="shop", scopes=["send"])
    pause(NEWS, actor="anna", reason="one")
    with pytest.raises(CommandError) as error:
        call_command(*words, *(() if "--reason" in words else ("--reason", "because")))
    assert why in str(error.value)
    assert Pause.objects.count() == 1


def test_what_was_removed_since_it_was_paused_can_be_resumed() -> None:
    category = Category.objects.create(name="news")
    call_command("pause", "category:news", "--reason", "one")
    category.delete()
    call_command("resume", "category:news", "--reason", "two")
    assert not Pause.objects.in_force().exists()
