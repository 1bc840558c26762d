"""What a verb left alone is one message, however many letters it is."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from dlq.admin.verbs.left_alone import message, summary
from dlq.models import DeadLetter
from dlq.verbs import Skipped, replay
from tests.desk import letter


def skipped(count: int, why: str, start: int = 1) -> list[Skipped]:
    return [Skipped(start + number, why) for number in range(count)]


def test_one_is_named() -> None:
    assert summary(skipped(1, "was already replayed by sam"), 1) == "Dead letter 1 was already replayed by sam."
    assert summary([], 0) == ""


def test_many_are_counted_by_their_reason() -> None:
    of_two = skipped(38, "was already replayed by sam at 03:44") + skipped(2, "is already resolved", 90)
    assert summary(of_two, 40) == "40 left alone: 38 were already replayed by sam at 03:44, 2 are already resolved."
    assert "1 does not exist" in summary([*of_two, Skipped(7, "does not exist")], 41)


def test_what_is_not_known_is_counted_too() -> None:
    text = summary(skipped(20, "is already resolved"), 1_520)
    assert text == "1,520 left alone: 20 are already resolved, 1,500 for other reasons, or because somebody was first."


def test_the_details_are_folded_bounded_and_escaped() -> None:
    shown = message(skipped(500, "was already replayed by <b>sam</b>"), 500)
    assert shown.count("<details") == 1
    assert "<b>" not in shown
    assert "Dead letter 100 " in shown
    assert "Dead letter 101 " not in shown
    assert "and 400 more" in shown


@pytest.mark.django_db
def test_the_second_of_two_people_reads_one_message(anna: Client) -> None:
    letters = [letter() for _ in range(30)]
    ids = ",".join(str(one.pk) for one in letters)
    page = anna.get(f"{reverse('admin:dlq_deadletter_verb', args=['discard'])}?ids={ids}")
    replay([one.pk for one in letters[:25]], "sam")
    data = {"ids": ids, "confirm": "yes", "reason": "the outage is over"}
    answer = anna.post(page.context["action"], data, follow=True)
    [shown] = [str(each) for each in answer.context["messages"] if "left alone" in str(each)]
    assert shown.startswith("25 left alone: 25 were already replayed by sam at ")
    assert DeadLetter.objects.filter(state="discarded").count() == 5
