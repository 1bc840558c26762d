"""API keys as a web process remembers them: how often it asks, and what it answers while nobody does."""

from __future__ import annotations

import hmac
import threading
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import Error as DatabaseProblem
from django.db import OperationalError, transaction
from django.test import override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from tests.notifications.rows import in_threads
from users.access.keys import FRESH_SECONDS, Caller, KeyRing
from users.access.keys import ring as process_ring
from users.access.models import ApiKey, ApiKeyQuerySet

pytestmark = pytest.mark.django_db
WRONG = "ntf_000000000000_" + "x" * 43


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(clock: Clock) -> KeyRing:
    return KeyRing(clock)


def issue(expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    return ApiKey.issue(name="n", client="shop", scopes=["send", "read"], expires_at=expires_at)


def test_right_key(ring: KeyRing) -> None:
    row, key = issue()
    assert ring.caller_of(key) == Caller("shop", frozenset({"send", "read"}), prefix=row.prefix)


def test_wrong_keys(ring: KeyRing) -> None:
    row, key = issue()
    for wrong in ("", "x", WRONG, key[:-1], key + "x", key.upper(), f"ntf_{row.prefix}_", row.digest, key + "é",
                  key.replace(row.prefix, "%"), "ntf_" + "x" * 100_000):  # fmt: skip
        assert ring.caller_of(wrong) is None


def test_known_key_asks_every_few_seconds(
    ring: KeyRing, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, key = issue()
    ring.caller_of(key)
    with django_assert_num_queries(0):
        clock.now += FRESH_SECONDS - 0.1
        assert ring.caller_of(key)
    with django_assert_num_queries(1):
        clock.now += 0.2
        assert ring.caller_of(key)


def test_flood_of_wrong_keys_asks_no_more_than_right_ones_and_keeps_nothing(
    ring: KeyRing, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    (_, key), (revoked, old), (deleted, gone) = issue(), issue(), issue()
    revoked.revoke()
    deleted.delete()
    flood = [old, gone, key[:-1] + "~", *(f"ntf_{number:012x}_{'x' * 43}" for number in range(1000))]
    ring.caller_of(key)
    with django_assert_num_queries(1):  # whether the deleted one was issued just now
        assert [ring.caller_of(wrong) for wrong in flood] == [None] * len(flood)
    with django_assert_num_queries(0):
        assert [ring.caller_of(wrong) for wrong in flood] == [None] * len(flood)
    with django_assert_num_queries(1):
        clock.now += FRESH_SECONDS
        ring.caller_of(WRONG)
        ring.caller_of(WRONG)
    assert len(ring._known) == 2
    assert len(ring._noted) == 1


@pytest.mark.parametrize("secret_key", ["the present one", "the one before"])
def test_a_new_key_works_at_once_even_in_a_flood_of_wrong_ones(
    ring: KeyRing, settings: Settings, secret_key: str
) -> None:
    """The clock stands still: not even the second between two reads passes."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the present one", ["the one before"]
    ring.caller_of(issue()[1])
    with override_settings(SECRET_KEY=secret_key):
        _, new = issue()
    for number in range(100):
        ring.caller_of(f"ntf_{number:012x}_{'x' * 43}")
    assert ring.caller_of(new)


def test_a_key_of_version_1_0_is_known_within_seconds(ring: KeyRing, clock: Clock) -> None:
    """Its prefix was random, so nothing tells it from a wrong one before the table is read again."""
    ring.caller_of(WRONG)
    key = "ntf_0123456789ab_" + "y" * 43
    ApiKey.objects.create(prefix=key[4:16], digest=ApiKey.digest_of(key), name="n", client="shop", scopes=["read"])
    clock.now += FRESH_SECONDS
    assert ring.caller_of(key)


def test_a_key_revoked_elsewhere_is_refused_within_seconds(ring: KeyRing, clock: Clock) -> None:
    row, key = issue()
    assert ring.caller_of(key)
    row.revoke()
    clock.now += FRESH_SECONDS
    assert ring.caller_of(key) is None


@pytest.mark.django_db(transaction=True)
def test_a_key_revoked_in_this_process_is_refused_at_once() -> None:
    row, key = issue()
    assert process_ring.caller_of(key)
    with transaction.atomic():  # as in the admin; meanwhile another thread reads what is still committed
        row.revoke()
        in_threads(lambda: process_ring.caller_of(key))
    assert process_ring.caller_of(key) is None


def test_whoever_waits_for_a_read_does_not_hold_up_known_keys(ring: KeyRing, clock: Clock) -> None:
    """One thread asks a database that hangs; the others go on with what they know."""
    _, key = issue()
    ring.caller_of(key)
    clock.now += FRESH_SECONDS + 1
    with ring._lock:
        assert ring.caller_of(key)


def test_expiry_counts_at_once(ring: KeyRing) -> None:
    _, key = issue(expires_at=timezone.now() + timedelta(minutes=1))
    assert ring.caller_of(key)
    with patch("users.access.keys.time.time", return_value=timezone.now().timestamp() + 61):
        assert ring.caller_of(key) is None
    assert ring.caller_of(issue(expires_at=timezone.now() - timedelta(seconds=1))[1]) is None


def test_known_keys_stay_good_while_the_database_is_down(ring: KeyRing, clock: Clock) -> None:
    _, key = issue(expires_at=timezone.now() + timedelta(days=1))
    ring.caller_of(key)
    with patch.object(ApiKeyQuerySet, "_fetch_all", side_effect=OperationalError("down")) as asked:
        for _ in range(10):
            clock.now += 3600
            assert ring.caller_of(key)
            assert ring.caller_of(key)
        with pytest.raises(DatabaseProblem):
            ring.caller_of(WRONG)
        with patch("users.access.keys.time.time", return_value=timezone.now().timestamp() + 90_000):
            assert ring.caller_of(key) is None
    assert asked.call_count == 10  # once in each hour, and not again a moment later


def test_unknown_keys_do_not_queue_for_a_database_that_hangs(ring: KeyRing, clock: Clock) -> None:
    row, key = issue()
    ring.caller_of(key)
    with patch.object(ApiKeyQuerySet, "_fetch_all", side_effect=OperationalError("down")):
        clock.now += 61
        ring.caller_of(key)
    clock.now += 10
    with ring._lock:  # as while another thread asks
        answers: list[object] = []
        thread = threading.Thread(target=lambda: answers.append(ring.caller_of(key)), daemon=True)
        thread.start()
        thread.join(10)
    assert answers == [Caller("shop", frozenset({"send", "read"}), prefix=row.prefix)]


def test_comparison_takes_constant_time(ring: KeyRing) -> None:
    row, key = issue()
    with patch("users.access.keys.hmac.compare_digest", wraps=hmac.compare_digest) as compare:
        assert ring.caller_of(key)
    compare.assert_called_once_with(row.digest, ApiKey.digest_of(key))


def test_last_use_is_noted_at_most_once_a_minute(ring: KeyRing, clock: Clock) -> None:
    _, key = issue()
    ring.caller_of(WRONG)
    assert last_use() is None
    ring.caller_of(key)
    first = last_use()
    assert first is not None
    ring.caller_of(key)
    clock.now += 61  # for this process; the row says that another one noted it just now
    ring.caller_of(key)
    assert last_use() == first
    ApiKey.objects.update(last_used_at=first - timedelta(hours=1))
    clock.now += 61
    ring.caller_of(key)
    assert last_use() >= first


def last_use() -> Any:
    return ApiKey.objects.get().last_used_at


def test_note_that_fails_fails_nothing(ring: KeyRing, caplog: pytest.LogCaptureFixture) -> None:
    _, key = issue()
    with patch.object(ApiKeyQuerySet, "update", side_effect=OperationalError("read-only")):
        assert ring.caller_of(key)
    assert "read-only" in caplog.text
    assert key not in caplog.text


def test_no_plaintext_is_kept(ring: KeyRing) -> None:
    _, key = issue()
    ring.caller_of(key)
    secret = key.split("_", 2)[2]
    assert secret not in repr(ring._known)
    assert secret not in str(list(ApiKey.objects.values()))
