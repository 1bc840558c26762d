"""The sandbox and the categories in the admin."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import Category, SandboxMessage, StaffAction
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


def test_a_sandbox_message_is_as_hidden_as_its_notification(
    anna: Client, agent: Client, supervisor: Client, viewer: Client
) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    rows = {}
    for name in ("default", "password-reset"):
        id = notification(category=name).pk
        text = {"message": f"text of {name}", "subject": f"subject of {name}", "html": f"html of {name}"}
        rows[name] = SandboxMessage.objects.create(
            notification_id=id, channel="EMAIL", receiver="t@example.org", **text
        )
    pages = [reverse("admin:notifications_sandboxmessage_changelist")]
    pages += [reverse("admin:notifications_sandboxmessage_change", args=[row.pk]) for row in rows.values()]

    def shown(client: Client) -> str:
        return "".join(client.get(page).content.decode() for page in pages)

    for client in (anna, agent, supervisor, viewer):
        for part in ("text of password-reset", "subject of password-reset", "html of password-reset"):
            assert part not in shown(client)
    assert "text of default" in shown(supervisor)
    assert "subject of default" in shown(agent)
    assert "text of default" not in shown(agent)
    assert "subject of default" not in shown(viewer)
    assert "t@example.org" not in shown(viewer)
    assert "t@example.org" in shown(agent)


def test_a_change_of_a_category_is_recorded_and_a_sensitive_one_flagged(anna: Client) -> None:
    page = reverse("admin:notifications_category_add")
    anna.post(page, {"name": "password-reset", "on_uncertain": "hold", "sensitive": "on"})
    category = Category.objects.get(name="password-reset")
    anna.post(reverse("admin:notifications_category_change", args=[category.pk]), {"on_uncertain": "hold"})
    anna.post(reverse("admin:notifications_category_delete", args=[category.pk]), {"post": "yes"})
    made, changed, gone = StaffAction.objects.order_by("id")
    assert {each.target for each in (made, changed, gone)} == {"category password-reset"}
    assert (made.before, made.after, made.flagged) == ("", "hold, sensitive", False)
    assert (changed.before, changed.after, changed.flagged) == ("hold, sensitive", "hold, not sensitive", True)
    assert (gone.action, gone.before, gone.flagged) == ("delete-category", "hold, not sensitive", False)


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
