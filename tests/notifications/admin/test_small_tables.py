"""The sandbox and the categories in the admin."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import Category, SandboxMessage
from tests.desk import notification

pytestmark = pytest.mark.django_db


def test_the_sandbox_shows_its_message(support: Client, anna: Client) -> None:
    row = SandboxMessage.objects.create(
        notification_id=notification().pk, channel="EMAIL", receiver="test@gmail.com", message="Hello World"
    )
    shown = anna.get(reverse("admin:notifications_sandboxmessage_changelist")).content.decode()
    assert "Hello World" in shown
    assert "t…@gmail.com" in shown
    found = anna.get(f"{reverse('admin:notifications_sandboxmessage_changelist')}?q={row.notification_id}")
    assert [each.pk for each in found.context["cl"].result_list] == [row.pk]


def test_a_category_can_be_edited_and_the_default_stays(anna: Client) -> None:
    default = Category.objects.get(name="default")
    page = reverse("admin:notifications_category_change", args=[default.pk])
    assert anna.post(page, {"on_uncertain": "hold"}).status_code == 302
    default.refresh_from_db()
    assert (default.name, default.on_uncertain) == ("default", "hold")
    assert (
        anna.post(reverse("admin:notifications_category_delete", args=[default.pk]), {"post": "yes"}).status_code == 403
    )
    assert (
        anna.post(reverse("admin:notifications_category_add"), {"name": "billing", "on_uncertain": "hold"}).status_code
        == 302
    )
    billing = Category.objects.get(name="billing")
    anna.post(reverse("admin:notifications_category_delete", args=[billing.pk]), {"post": "yes"})
    assert not Category.objects.filter(name="billing").exists()
