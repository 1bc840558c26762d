"""What is written about addresses to which nothing is sent, on a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from notifications.messages.words import SuppressedFor
from project.operations.retention import suppressions_to_go
from users.recipients import facts, suppression
from users.recipients.facts import Receiver
from users.recipients.known import Known
from users.recipients.models import Suppression
from users.recipients.suppression import New, address_of, hashes_of, lift, score, suppress, suppress_all

pytestmark = pytest.mark.django_db

ANN = address_of("EMAIL", "ann@example.com")
BOB = address_of("EMAIL", "bob@example.com")
DAY = timedelta(days=1)


def test_an_address_is_suppressed_once_for_each_reason_and_scope() -> None:
    assert suppress(ANN, SuppressedFor.BOUNCED, evidence="550 5.1.1", provider="smtp")
    assert not suppress(ANN, SuppressedFor.BOUNCED, evidence="later")
    assert suppress(ANN, SuppressedFor.STOP)
    assert suppress(ANN, SuppressedFor.UNSUBSCRIBED, scope="news")
    assert suppressed_for(ANN) == [("", "bounced"), ("", "stop"), ("news", "unsubscribed")]
    row = Suppression.objects.get(reason=SuppressedFor.BOUNCED)
    assert (row.channel, row.evidence, row.provider, row.until) == ("EMAIL", "550 5.1.1", "smtp", None)


def test_senders_learn_of_it_by_its_time() -> None:
    assert not refreshed().anybody
    suppress(ANN, SuppressedFor.BOUNCED)
    assert refreshed().anybody
    assert ANN.hash in refreshed().changed
    assert abs(Suppression.objects.get().changed_at - timezone.now()) < timedelta(minutes=1)


def test_only_the_reason_that_is_lifted_goes() -> None:
    suppress(ANN, SuppressedFor.STOP)
    suppress(ANN, SuppressedFor.BOUNCED)
    suppress(ANN, SuppressedFor.UNSUBSCRIBED, scope="news")
    suppress(BOB, SuppressedFor.STOP)
    assert lift([ANN.hash], SuppressedFor.STOP) == 1
    assert lift([ANN.hash], SuppressedFor.STOP) == 0
    assert lift([ANN.hash], SuppressedFor.UNSUBSCRIBED) == 0  # that is of a category
    assert suppressed_for(ANN) == [("", "bounced"), ("news", "unsubscribed")]
    assert suppressed_for(BOB) == [("", "stop")]


def test_what_was_lifted_can_be_suppressed_again() -> None:
    suppress(ANN, SuppressedFor.STOP)
    lift([ANN.hash], SuppressedFor.STOP)
    assert suppress(ANN, SuppressedFor.STOP)
    assert suppressed_for(ANN) == [("", "stop")]


def test_soft_bounces_suppress_at_the_fourth_and_for_thirty_days() -> None:
    assert [score(ANN) for _ in range(3)] == [False, False, False]
    assert suppressed_for(ANN) == []
    assert score(ANN, evidence="452 4.2.2 over quota")
    assert suppressed_for(ANN) == [("", "bounced")]
    row = Suppression.objects.get()
    assert row.until is not None
    assert abs(row.until - timezone.now() - 30 * DAY) < timedelta(minutes=1)
    assert row.evidence == "452 4.2.2 over quota"


@pytest.mark.parametrize(("days", "suppressed"), [(11, False), (9, True)])
def test_soft_bounces_fade(days: int, *, suppressed: bool) -> None:
    """Three points become two in ten days, so one more is not more than three again."""
    for _ in range(3):
        score(ANN)
    Suppression.objects.update(score=3.0, changed_at=timezone.now() - days * DAY)
    assert score(ANN) is suppressed


def test_a_score_never_fades_below_nothing() -> None:
    score(ANN)
    Suppression.objects.update(changed_at=timezone.now() - 400 * DAY)
    score(ANN)
    assert Suppression.objects.get().score == pytest.approx(1.0)


def test_a_hard_bounce_lasts_whatever_soft_ones_come_before_and_after() -> None:
    score(ANN)
    assert suppress(ANN, SuppressedFor.BOUNCED)
    assert score(ANN)  # in force already
    assert Suppression.objects.get().until is None
    Suppression.objects.update(changed_at=timezone.now() - 400 * DAY)
    score(ANN)
    assert Suppression.objects.get().until is None


def test_a_batch_takes_one_statement_and_puts_together_what_is_about_one_address(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    soft, hard = New(ANN, SuppressedFor.BOUNCED, points=1.0), New(BOB, SuppressedFor.BOUNCED)
    with django_assert_num_queries(1):
        assert suppress_all([soft, hard, soft, soft, soft, New(BOB, SuppressedFor.BOUNCED, points=1.0)])
    assert Suppression.objects.get(address_hash=ANN.hash).score == pytest.approx(4.0)
    assert Suppression.objects.get(address_hash=BOB.hash).until is None
    with django_assert_num_queries(0):
        assert suppress_all([]) == set()


def test_evidence_contains_no_address_and_nothing_that_a_database_refuses() -> None:
    suppress(ANN, SuppressedFor.BOUNCED, evidence="550 <Ann@Example.com>: no such\x00 user \ud800, or bob@x.example")
    suppress(address_of("SMS", "+4915112345678"), SuppressedFor.STOP, evidence="+49 151 12345678 sent STOP")
    for evidence in Suppression.objects.values_list("evidence", flat=True):
        assert not {"ann", "bob", "12345678", "\x00"} & set(evidence.lower().replace("@", " ").split())
        assert "@" not in evidence
        assert "1234" not in evidence
    suppress(BOB, SuppressedFor.BOUNCED, evidence="x" * 100_000, provider="p" * 1_000)
    row = Suppression.objects.get(address_hash=BOB.hash)
    assert len(row.evidence) <= 1_000
    assert len(row.provider) <= 64


def test_what_was_suppressed_under_a_former_key_is_found_and_lifted(settings: Settings) -> None:
    suppress(ANN, SuppressedFor.STOP)
    settings.HASH_KEYS = (b"a new key", *settings.HASH_KEYS)
    now = address_of("EMAIL", "ann@example.com")
    assert now.hash != ANN.hash
    assert suppressed_for(now) == [("", "stop")]
    suppress(now, SuppressedFor.BOUNCED)
    assert Suppression.objects.get(reason=SuppressedFor.BOUNCED).address_hash == now.hash
    assert lift(hashes_of("EMAIL", "ann@example.com"), SuppressedFor.STOP) == 1
    assert suppressed_for(now) == [("", "bounced")]


def test_retention_removes_only_what_has_been_over_for_long() -> None:
    suppress(BOB, SuppressedFor.BOUNCED)
    score(ANN)
    old = timezone.now() - 100 * DAY
    Suppression.objects.filter(address_hash=ANN.hash).update(until=old)
    Suppression.objects.update(since=old, changed_at=old)
    suppressions_to_go(timezone.now() - 90 * DAY).delete()
    assert Suppression.objects.get().address_hash == BOB.hash


def refreshed() -> Known:
    known = Known()
    known.refresh()
    return known


def suppressed_for(address: suppression.Address) -> list[tuple[str, str]]:
    """Returns what the sender's gate finds for the address."""
    receiver = Receiver("", address.channel, address.receiver, address.hash)
    found = facts.facts_of([receiver]).people[receiver].suppressions
    return sorted((scope, str(why)) for scope, why in found)
