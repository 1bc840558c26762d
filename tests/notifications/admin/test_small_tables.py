"""The sandbox and the categories in the admin."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import Category, SandboxMessage, StaffAction
from tests.desk import notification

pytestmark = pytest.mark.django_db

CHOSEN = {"on_uncertain": "hold", "kind": "transactional", "late": "send", "overflow": "wait"}
FORM = CHOSEN | {"on_by_default": "on", "quiet": "on"}


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
    anna.post(page, FORM | {"name": "password-reset", "sensitive": "on"})
    category = Category.objects.get(name="password-reset")
    anna.post(reverse("admin:notifications_category_change", args=[category.pk]), FORM)
    anna.post(reverse("admin:notifications_category_change", args=[category.pk]), FORM)  # which changes nothing
    anna.post(reverse("admin:notifications_category_delete", args=[category.pk]), {"post": "yes"})
    made, changed, gone = StaffAction.objects.order_by("id")
    assert {each.target for each in (made, changed, gone)} == {"category password-reset"}
    assert (made.before, made.after, made.flagged) == ("", "hold, sensitive", False)
    assert (changed.before, changed.after, changed.flagged) == ("hold, sensitive", "hold, not sensitive", True)
    assert (gone.action, gone.before, gone.flagged) == ("delete-category", "hold, not sensitive", False)


def test_making_a_category_mandatory_is_flagged_in_words(anna: Client) -> None:
    page = reverse("admin:notifications_category_change", args=[Category.objects.get(name="default").pk])
    anna.post(page, FORM | {"kind": "mandatory"})
    anna.post(page, FORM)
    made, unmade = StaffAction.objects.order_by("id")
    assert (made.after, made.flagged) == ("hold, not sensitive, mandatory", True)
    assert made.note == "made mandatory: it is sent whatever people chose"
    assert (unmade.note, unmade.flagged) == ("mandatory no longer: people can switch it off", True)


def test_a_form_takes_and_refuses_what_the_api_does(anna: Client) -> None:
    page = reverse("admin:notifications_category_add")
    wrong = {"name": "news", "digest_seconds": "60", "digest_at": "08:00", "cap_seconds": "60"}
    shown = anna.post(page, FORM | wrong).content.decode()
    assert "Seconds and an hour exclude each other." in shown
    assert "A window needs a number of notifications." in shown
    right = {
        "name": "news",
        "channels": ["EMAIL", "SMS"],
        "passes": ["bounced"],
        "digest_at": "08:00",
        "cap_count": "0",
        "overflow": "digest",
    }
    assert anna.post(page, FORM | right).status_code == 302
    news = Category.objects.get(name="news")
    assert (news.channels, news.passes, news.cap_count, news.quiet) == (["EMAIL", "SMS"], ["bounced"], 0, True)
    assert news.overflow == "digest"
    shown = anna.get(reverse("admin:notifications_category_change", args=[news.pk])).content.decode()
    ticked = re.findall(r'name="(?:channels|passes)"[^>]*value="([\w-]+)"[^>]*\schecked[\s>]', shown)
    assert ticked == ["EMAIL", "SMS", "bounced"]


def test_a_category_can_be_edited_and_the_default_stays(anna: Client) -> None:
    default = Category.objects.get(name="default")
    page = reverse("admin:notifications_category_change", args=[default.pk])
    assert anna.post(page, FORM).status_code == 302
    default.refresh_from_db()
    assert (default.name, default.on_uncertain) == ("default", "hold")
    deleted = anna.post(reverse("admin:notifications_category_delete", args=[default.pk]), {"post": "yes"})
    assert deleted.status_code == 403
    assert anna.post(reverse("admin:notifications_category_add"), FORM | {"name": "billing"}).status_code == 302
    billing = Category.objects.get(name="billing")
    anna.post(reverse("admin:notifications_category_delete", args=[billing.pk]), {"post": "yes"})
    assert not Category.objects.filter(name="billing").exists()
