"""What the API says of a notification that goes out in a digest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.messages.words import DigestState
from notifications.models import Digest
from tests.caller import Api, json_of
from tests.notifications.api.test_read import START, row

pytestmark = pytest.mark.django_db


def test_what_is_folded_waits_until_its_digest_closes(api: Api) -> None:
    """And not until it would come back by itself."""
    moments = {"opened_at": START, "closes_at": START + timedelta(minutes=10), "look_at": START}
    of = {"channel": "EMAIL", "receiver_hash": "r", "category": "news", "client": "shop"}
    digest = Digest.objects.create(state=DigestState.OPEN, joined=1, **of, **moments)
    waits = row(1, status="waiting", reason="digest", due_at=START + timedelta(hours=2), digest_id=digest.pk)
    shown = json_of(api.get(f"/notification/{waits.pk}"))["decision"]
    assert shown == {"rule": "digest", "why": "It goes out together with others.", "until": "2026-03-01T12:10:00Z"}
