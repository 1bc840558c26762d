"""Direction controls in what strangers wrote are shown as marks on every page, and kept where one edits."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from dlq.verbs import discard
from notifications.models import SandboxMessage
from project.desk.marks import marked
from tests.desk import letter, row_of
from users.people.models import User

pytestmark = pytest.mark.django_db

CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
EVIL = f"evil{CONTROLS}exe.live"


def test_every_control_is_shown_by_its_number() -> None:
    assert marked("a\u202eb") == "a⟨U+202E⟩b"
    assert not set(marked(EVIL)) & set(CONTROLS)
    assert marked("שלום مرحبا 👩\u200d🚀") == "שלום مرحبا 👩\u200d🚀"


def test_no_page_obeys_a_control(anna: Client) -> None:
    dead = letter(**dict.fromkeys(("subject", "message", "html", "reference", "user", "client", "last_error"), EVIL))
    User.objects.create(username="u1", name=EVIL)
    assert dead.notification_id
    row = SandboxMessage.objects.create(
        notification_id=dead.notification_id, channel="EMAIL", receiver=EVIL, subject=EVIL, message=EVIL
    )
    closed = letter(last_error=EVIL)
    discard([closed.pk], "anna", EVIL)
    pages = [
        *("dlq_deadletter_changelist", "notifications_notification_changelist", "users_user_changelist"),
        *("notifications_sandboxmessage_changelist", "notifications_staffaction_changelist"),
    ]
    addresses = [reverse(f"admin:{page}") for page in pages]
    addresses += [
        reverse("admin:dlq_deadletter_change", args=[dead.pk]),
        reverse("admin:dlq_deadletter_change", args=[closed.pk]),
        reverse("admin:notifications_notification_change", args=[dead.notification_id]),
        reverse("admin:notifications_sandboxmessage_change", args=[row.pk]),
        f"{reverse('admin:dlq_deadletter_verb', args=['replay'])}?ids={dead.pk}",
    ]
    for address in addresses:
        shown = anna.get(address).content.decode()
        assert not set(shown) & set(CONTROLS), address
    assert "evil⟨U+061C⟩" in anna.get(addresses[5]).content.decode()


def test_an_edit_keeps_what_it_does_not_change(support: Client) -> None:
    dead = letter(message=EVIL, subject="Hi")
    page = reverse("admin:dlq_deadletter_repair", args=[dead.pk])
    form = support.get(page).context["form"]
    values = {name: form.initial[name] for name in form.fields} | {"subject": "Ho", "confirm": "also"}
    assert EVIL in support.get(page).content.decode()
    assert "Changed: subject." in support.post(page, values, follow=True).content.decode()
    assert row_of(dead).message == EVIL
