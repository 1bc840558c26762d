"""Rows and people for the tests of the support desk, made directly."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from dlq.models import COPIED, DeadLetter
from notifications.channels.outcomes import Cause, Outcome
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Status, listed
from notifications.models import Attempt, Notification
from project.desk.rights import OF_LETTERS, Right

PASSWORD = "a-long-enough-password-7"
_number = count(1)


def notification(**fields: Any) -> Notification:
    """A row of the ledger: dead, unless `fields` say otherwise."""
    id: UUID = fields.pop("id", None) or uuid_utils.compat.uuid7()
    given: dict[str, Any] = {
        "channel": "EMAIL",
        "receiver": f"receiver{next(_number)}@example.org",
        "message": "Hello",
        "client": "shop",
        "status": Status.DEAD,
        "attempts": 6,
        "claims": 6,
        "last_cause": Cause.CONNECTION,
        "last_error": "refused",
        "accepted_at": timezone.now() - timedelta(hours=3),
        "settled_at": timezone.now(),
    } | fields
    given.setdefault("receiver_hash", receiver_hash(given["channel"], given["receiver"]))
    given.setdefault("listed", listed(Status(given["status"]), leased=given.get("owner") is not None))
    return Notification.objects.create(id=id, **given)


def letter(*, state: str = "open", **fields: Any) -> DeadLetter:
    """An open letter with its notification and one attempt."""
    row = notification(**fields)
    Attempt.objects.create(
        notification=row,
        generation=row.generation,
        number=row.claims,
        at=timezone.now() - timedelta(minutes=1),
        outcome=Outcome.TRANSIENT,
        cause=row.last_cause,
        error=row.last_error,
        milliseconds=12,
    )
    return DeadLetter.objects.create(
        notification=row,
        state=state,
        channel=row.channel,
        cause=row.last_cause,
        error=row.last_error,
        attempts=row.attempts,
        topic="notifications.email",
        partition=1,
        offset=next(_number),
        **{name: getattr(row, name) for name in COPIED},
        uncertain=row.uncertain_count > 0,
        receiver_domain=row.receiver.rpartition("@")[2] if row.channel == "EMAIL" else "",
    )


def unreadable(raw: bytes) -> DeadLetter:
    """An open letter for a record that could not be read."""
    return DeadLetter.objects.create(
        channel="EMAIL",
        cause=Cause.UNDECODABLE,
        error="JSON is malformed",
        raw=raw,
        topic="notifications.email",
        partition=0,
        offset=next(_number),
    )


def superuser(name: str, password: str | None = None) -> User:
    """Without a password, whose hashing takes time, only a test's own client can log in."""
    return User.objects.create_superuser(name, password=password)


def staff(name: str, *permissions: str) -> User:
    """A staff account with these permissions, such as "dlq.view_deadletter", or "view" for every view permission."""
    user = User.objects.create_user(name, is_staff=True)
    if permissions == ("view",):
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        return user
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def member_of(group: str, name: str = "") -> User:
    """A staff account in one of the groups that we come with."""
    if not Group.objects.filter(name=group).exists():
        _make_groups()
    user = User.objects.create_user(name or group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def _make_groups() -> None:
    """As migrations did, for what comes after a test that flushed."""
    import_module("dlq.migrations.0005_rights_and_groups").make_rights_and_groups(apps, None)
    import_module("dlq.migrations.0012_right_to_pause").give_rights(apps, None)
    import_module("dlq.migrations.0013_who_sees_suppressions").give_rights(apps, None)
    import_module("dlq.migrations.0014_right_to_set_choices").give_rights(apps, None)
    import_module("dlq.migrations.0015_who_sees_receipts").give_rights(apps, None)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def row_of(letter: DeadLetter) -> Notification:
    """The letter's notification as the database has it now."""
    return Notification.objects.get(dead_letter=letter)


@pytest.fixture
def anna(db: None) -> Client:
    """A superuser, logged in."""
    return logged_in(superuser("anna"))


@pytest.fixture
def support(db: None) -> Client:
    """Somebody who may act on dead letters and notifications, and no more."""
    rights = (*OF_LETTERS, Right.SEE_RECEIVER, Right.SEE_CONTENT, Right.TRY_NOW)
    return logged_in(staff("support", "dlq.view_deadletter", "notifications.view_notification", *rights))


@pytest.fixture
def viewer(db: None) -> Client:
    """Somebody with every view permission and nothing else."""
    return logged_in(staff("viewer", "view"))


@pytest.fixture
def agent(db: None) -> Client:
    return logged_in(member_of("Agent"))


@pytest.fixture
def supervisor(db: None) -> Client:
    return logged_in(member_of("Supervisor"))


@pytest.fixture
def administrator(db: None) -> Client:
    return logged_in(member_of("Administrator"))
