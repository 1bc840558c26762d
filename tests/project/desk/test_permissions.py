"""Whoever may only view changes nothing; nobody changes anything by GET; nothing goes without a CSRF token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axes.models import AccessFailureLog
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as Account
from django.core import serializers
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from dlq.admin.choices import change_page
from dlq.admin.problems import problem_page
from dlq.admin.runs import run_pages
from dlq.admin.verbs.verb_pages import VERBS
from dlq.models import DeadLetter, Mending, Problem, Run
from dlq.problems import assigning as problems
from notifications.messages.words import Reason, Status
from notifications.models import (
    BreakerEvent,
    Category,
    Job,
    Notification,
    Pause,
    Receipt,
    SandboxMessage,
    StaffAction,
    WorkerHeartbeat,
)
from notifications.scheduling import job_rows
from tests.desk import letter, notification, superuser, unreadable
from tests.dlq.mending.mended import mend
from users.access.models import ApiKey
from users.people.models import Device, User
from users.recipients.models import Suppression

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]  # rights are the same on PostgreSQL

ACTIONS = ("replay_selected", "mend_selected", "discard_selected", "try_selected_now", "delete_selected")
LIST_DEPTH = "/admin/app/model/".count("/")


@pytest.fixture
def rows(db: None) -> dict[type[Model], Any]:
    """One row of every model that the admin shows, by model."""
    now = timezone.now()
    user = User.objects.create(username="u1", name="Joan")
    somebody = superuser("somebody-else")
    letter(status=Status.HELD)
    unreadable(b"{")
    problems.assign_all()
    made: list[Model] = [
        user,
        letter(),
        notification(status=Status.WAITING, reason=Reason.RETRY, due_at=now),
        Device.objects.create(user=user, channel="EMAIL", address="joan.smith@example.org"),
        ApiKey.issue(name="production", client="shop", scopes=["send"])[0],
        Category.objects.create(name="billing"),
        SandboxMessage.objects.create(
            notification_id=notification().pk, channel="EMAIL", receiver="a@b.org", message="x"
        ),
        WorkerHeartbeat.objects.create(worker="w:1", kind="sender", started_at=now, seen_at=now),
        BreakerEvent.objects.create(worker="w:1", channel="EMAIL", provider="smtp", state="open"),
        StaffAction.objects.create(actor="anna", action="replay", target="dead letter 1"),
        Group.objects.create(name="Support"),
        somebody,
        TOTPDevice.objects.create(user=somebody, name="phone"),
        AccessFailureLog.objects.create(username="joan", ip_address="192.0.2.1"),
        Job.objects.create(kind="prune", actor="scheduler"),
        Problem.objects.latest("pk"),
        mend(),
        Run.objects.create(actor="anna", selection={}, last_letter=0),
        Suppression.objects.create(address_hash="ab" * 16, channel="EMAIL", reason="bounced"),
        Receipt.objects.create(key="1", provider="twilio", channel="SMS", receiver_hash="ab" * 16, type="stop", at=now),
        Pause.objects.create(kind="client", name="nobody", actor="anna", reason="why", began_at=now),
    ]
    return {type(row): row for row in made}


def pages(rows: dict[type[Model], Any]) -> Iterator[str]:
    """Every address of the admin's models, with a row to act on where one is named."""
    ids = ",".join(map(str, DeadLetter.objects.values_list("pk", flat=True)))
    for model, model_admin in admin.site._registry.items():
        pk = rows[model].pk
        names = ("object_id", "id", "letter_id", "problem_id", "key_id", "job_id", "run_id", "pause_id", "row_id")
        values = dict.fromkeys(names, pk) | {"what": "content", "mending_id": rows[Mending].pk}
        for pattern in model_admin.get_urls():
            wanted = pattern.pattern.converters if pattern.name else {}
            for verb in (*VERBS, *job_rows.VERBS, *problem_page.VERBS, *run_pages.VERBS) if "name" in wanted else [""]:
                known = values | {"name": verb}
                yield from _reversed(pattern.name, {name: known[name] for name in wanted})
    waiting, person = rows[Notification].pk, rows[User].pk
    yield from (reverse("admin:desk_person_change", args=[person, verb]) for verb in change_page.VERBS)
    yield from (f"{reverse('admin:dlq_deadletter_verb', args=[verb])}?ids={ids}" for verb in VERBS)
    yield f"{reverse('admin:notifications_notification_try_now')}?ids={waiting}"


def _reversed(name: str | None, kwargs: dict[str, Any]) -> list[str]:
    try:
        return [reverse(f"admin:{name}", kwargs=kwargs)] if name else []
    except NoReverseMatch:
        return []


def everything() -> str:
    """All rows that matter, as text; logging in touches the others."""
    models = [
        model
        for label in ("users", "notifications", "dlq", "auth")
        for model in apps.get_app_config(label).get_models()
    ]
    return "".join(
        serializers.serialize("json", model._default_manager.order_by("pk"), fields=_fields(model)) for model in models
    )


def _fields(model: type[Model]) -> list[str]:
    return [field.name for field in model._meta.get_fields() if field.concrete and field.name != "last_login"]


def harm(rows: dict[type[Model], Any]) -> dict[str, Any]:
    letters = list(DeadLetter.objects.values_list("pk", flat=True))
    ids = ",".join(map(str, letters))
    return {
        "ids": f"{ids},{rows[Notification].pk}",
        "confirm": "yes",
        "selection": "{}",
        "kind": "replace",
        "old": "receiver",
        "new": "thief",
        "key": "0" * 32,
        "post": "yes",
        "reason": "because",
        "receiver": "thief@example.org",
        "message": "changed",
        "generation": "0",
        "text": '{"type": "EMAIL", "receiver": "a@example.org", "message": "Hi"}',
        "username": "renamed",
        "name": "renamed",
        "client": "x",
        "scopes": "send",
        "is_superuser": "on",
        "address": "thief@example.org",
        "on_uncertain": "hold",
        "channel": "EMAIL",
        "choice": "off",
        "start": "22:00",
        "end": "07:00",
        "password1": "another-long-password-9",
        "password2": "another-long-password-9",
        "index": "0",
        "select_across": "1",
        "_selected_action": [*letters, rows[Notification].pk],
        "devices-TOTAL_FORMS": "0",
        "devices-INITIAL_FORMS": "0",
    }


def test_a_viewer_changes_nothing_by_any_post(viewer: Client, rows: dict[type[Model], Any]) -> None:
    before = everything()
    values = harm(rows)
    found = list(pages(rows))
    assert len(found) > 60
    for page in found:
        for action in ACTIONS if page.count("/") == LIST_DEPTH else ACTIONS[:1]:
            answer = viewer.post(page, values | {"action": action})
            looks = page == reverse("admin:users_suppression_find")  # a search, whose address is in no URL
            assert looks or answer.status_code in (403, 404, 405), (page, answer.status_code)
    assert everything() == before


def test_a_viewer_sees_no_button_that_acts(viewer: Client, rows: dict[type[Model], Any]) -> None:
    case = viewer.get(reverse("admin:dlq_deadletter_change", args=[rows[DeadLetter].pk])).content.decode()
    assert "You may read this, but not act on it." in case
    listed = viewer.get(reverse("admin:dlq_deadletter_changelist")).content.decode()
    ledger = viewer.get(
        reverse("admin:notifications_notification_change", args=[rows[Notification].pk])
    ).content.decode()
    for page in (case, listed, ledger):
        assert "/verb/" not in page
        assert "/matching/" not in page
        assert "/repair/" not in page
        assert "/try-now/" not in page
        assert "replay_selected" not in page


def test_no_get_changes_anything(anna: Client, rows: dict[type[Model], Any]) -> None:
    before = everything()
    seen = {page: anna.get(page).status_code for page in pages(rows)}
    assert everything() == before
    assert not [page for page, status in seen.items() if status >= 500]
    assert sum(status == 200 for status in seen.values()) > 40


def test_no_post_goes_without_a_csrf_token(rows: dict[type[Model], Any]) -> None:
    before = everything()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(Account.objects.get(username="somebody-else"))
    values = harm(rows)
    for page in pages(rows):
        assert strict.post(page, values | {"action": "replay_selected"}).status_code in (403, 404), page
    assert everything() == before


def test_nobody_gets_in_without_a_login(client: Client, rows: dict[type[Model], Any]) -> None:
    for page in pages(rows):
        assert client.get(page).status_code in (302, 404), page
        assert client.post(page, harm(rows)).status_code in (302, 404), page


def test_lists_show_no_address_in_full_without_the_right(viewer: Client, rows: dict[type[Model], Any]) -> None:
    webhook = "https://hooks.slack.com/services/T024BE7LD/B0AAAA/abcdefSECRET"
    letter(channel="SLACK", receiver=webhook)
    letter(channel="SMS", receiver="+14155550123", status=Status.WAITING)
    SandboxMessage.objects.create(notification_id=notification().pk, channel="SLACK", receiver=webhook, message="x")
    Device.objects.create(user=rows[User], channel="SLACK", address=webhook)
    secret = {webhook, "+14155550123", "abcdefSECRET", "joan.smith@example.org"}
    secret |= set(Notification.objects.values_list("receiver", flat=True))
    for model in admin.site._registry:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        shown = viewer.get(f"{page}?state=all").content.decode() + viewer.get(page).content.decode()
        assert not [word for word in secret if word in shown], page


def test_a_confirmation_shows_no_address_in_full(anna: Client, rows: dict[type[Model], Any]) -> None:
    dead = rows[DeadLetter]
    shown = anna.get(f"{reverse('admin:dlq_deadletter_verb', args=['replay'])}?ids={dead.pk}").content.decode()
    assert dead.notification.receiver not in shown
    assert dead.notification.masked_receiver in shown


def test_the_full_receiver_is_for_those_who_may_act(
    viewer: Client, support: Client, rows: dict[type[Model], Any]
) -> None:
    dead = rows[DeadLetter]
    pages_of = [
        reverse("admin:dlq_deadletter_change", args=[dead.pk]),
        reverse("admin:notifications_notification_change", args=[dead.notification_id]),
    ]
    for page in pages_of:
        assert dead.notification.receiver not in viewer.get(page).content.decode()
        assert dead.notification.receiver in support.get(page).content.decode()


def test_the_bytes_of_a_record_are_for_those_who_may_act(viewer: Client, support: Client, db: None) -> None:
    webhook = "https://hooks.slack.com/services/T1/B1/secret"
    page = reverse("admin:dlq_deadletter_change", args=[unreadable(f'{{"receiver": "{webhook}"}}'.encode()).pk])
    assert "T1/B1/secret" not in viewer.get(page).content.decode()
    assert "T1/B1/secret" in support.get(page).content.decode()


@pytest.mark.parametrize(
    "lookup",
    [
        *(
            "notifications_notification_changelist?receiver__startswith=joan",
            "users_user_changelist?devices__address=x",
        ),
        *("notifications_notification_changelist?message__icontains=x", "users_device_changelist?address__contains=x"),
        *("notifications_notification_changelist?receiver_hash=x", "notifications_notification_changelist?pk__gt=x"),
        *("dlq_deadletter_changelist?notification__receiver__startswith=joan", "dlq_deadletter_changelist?raw=x"),
    ],
)
def test_a_list_cannot_be_asked_for_what_it_masks(viewer: Client, db: None, lookup: str) -> None:
    """Neither directly nor through a relation."""
    page, _, query = lookup.partition("?")
    assert viewer.get(f"{reverse(f'admin:{page}')}?{query}").status_code == 400


def test_a_viewer_sees_device_addresses_masked(viewer: Client, rows: dict[type[Model], Any]) -> None:
    for page in (
        reverse("admin:users_user_change", args=[rows[User].pk]),
        reverse("admin:users_device_change", args=[rows[Device].pk]),
        reverse("admin:notifications_sandboxmessage_change", args=[rows[SandboxMessage].pk]),
    ):
        shown = viewer.get(page).content.decode()
        assert "joan.smith@example.org" not in shown
        assert "a@b.org" not in shown
