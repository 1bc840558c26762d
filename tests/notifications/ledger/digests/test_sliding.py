"""A digest whose closing each new member puts off, and the limit of that."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from notifications.ledger.digests import joining
from notifications.messages.words import DigestState, Status
from notifications.models import Category, Digest
from tests.notifications.ledger.digests.folding import folded, look, settled, standing, taken
from tests.notifications.rows import ago, seconds_until

WINDOW, LIMIT = 600, 3600


@pytest.fixture(autouse=True)
def _sliding(news: Category) -> None:
    Category.objects.filter(pk=news.pk).update(digest_limit=LIMIT)


def begun(seconds: float) -> None:
    """The digest has begun so long ago, and nobody has joined it since."""
    Digest.objects.update(opened_at=ago(seconds), limit_at=ago(seconds - LIMIT))
    closing(ago(seconds - WINDOW))


def closing(at: datetime) -> None:
    """The last of some that have joined has put off the closing until then."""
    Digest.objects.update(closes_at=at, look_at=at)


def closes_in() -> float:
    """The seconds until the digest closes, which is when a scheduler looks at it."""
    digest = Digest.objects.get(state=DigestState.OPEN)
    assert digest.look_at == digest.closes_at
    return (digest.closes_at - ago(0)).total_seconds()


def test_whoever_joins_puts_off_the_closing_by_the_window() -> None:
    folded(1)
    digest = Digest.objects.get()
    assert digest.limit_at is not None
    assert (digest.closes_at - digest.opened_at, digest.limit_at - digest.opened_at) == (
        timedelta(seconds=WINDOW),
        timedelta(seconds=LIMIT),
    )
    begun(500)
    assert closes_in() == pytest.approx(100, abs=30)
    folded(3)
    assert closes_in() == pytest.approx(WINDOW, abs=30)


def test_the_limit_ends_it_however_many_join() -> None:
    ids = folded(1)
    begun(LIMIT - 400)
    closing(ago(-100))
    latest = Digest.objects.get().limit_at
    ids += folded(2)
    assert Digest.objects.get().closes_at == latest
    assert closes_in() == pytest.approx(400, abs=30)
    ids += folded(1)
    assert Digest.objects.get().closes_at == latest
    begun(LIMIT + 1)
    closing(ago(1))
    ids += folded(1)  # the last, for nobody has closed it yet
    assert Digest.objects.get().state == DigestState.CLOSING
    look()
    (sent,) = taken()
    assert len(sent.message.splitlines()) == len(ids)
    settled([sent])
    assert standing(ids) == {(Status.DIGESTED, "")}


def test_a_scheduler_leaves_it_alone_until_then() -> None:
    folded(1)
    begun(WINDOW - 1)
    folded(1)
    look()
    assert Digest.objects.get().state == DigestState.OPEN
    closing(ago(1))
    look()
    assert Digest.objects.get().state == DigestState.CLOSED


def test_no_member_comes_back_before_the_last_moment_at_which_it_can_close() -> None:
    (id,) = folded(1)
    assert LIMIT < (seconds_until("due_at", id) or 0) <= LIMIT + joining.PATIENCE


def test_a_digest_that_is_open_keeps_its_end_when_its_category_changes() -> None:
    folded(1)
    Category.objects.update(digest_limit=None, digest_seconds=5)
    folded(1)
    assert closes_in() > 5
    Digest.objects.all().delete()
    folded(1)
    closes_at = Digest.objects.get().closes_at
    Category.objects.update(digest_limit=LIMIT, digest_seconds=WINDOW)
    folded(1)
    assert Digest.objects.get().closes_at == closes_at
