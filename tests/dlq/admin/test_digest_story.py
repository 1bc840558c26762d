"""The page of a notification that goes out in a digest, and of the digest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notifications.messages.words import DigestState, Reason, Status
from notifications.models import Digest, Notification
from project.desk.moments import at
from tests.desk import notification
from tests.dlq.admin.test_story_page import page_of, seen

pytestmark = pytest.mark.django_db


def test_a_member_says_when_its_digest_closes_and_leads_to_it_afterwards(support: Client) -> None:
    now = timezone.now()
    moments = {"opened_at": now, "closes_at": now + timedelta(hours=2), "look_at": now}
    of = {"channel": "EMAIL", "receiver_hash": "r", "category": "news", "client": "shop", "joined": 2}
    digest = Digest.objects.create(state=DigestState.OPEN, **of, **moments)
    folded = {"reason": Reason.DIGEST, "digest_id": digest.pk}
    member = notification(status=Status.WAITING, due_at=now + timedelta(hours=3), **folded)
    assert f"Its digest closes {at(digest.closes_at, now)}." in seen(support, member)["answer"]

    went = notification(digest_id=digest.pk, status=Status.QUEUED)
    Digest.objects.update(state=DigestState.CLOSED, notification_id=went.pk)
    Notification.objects.filter(pk=member.pk).update(due_at=None)
    assert "is listed in a digest that is on its way" in seen(support, member)["answer"]
    assert ("The digest it is in", page_of(went)) in seen(support, member)["links"]
    assert ("Digest of", "1 notifications", False) in seen(support, went)["about"]
    assert seen(support, went)["links"] == []
