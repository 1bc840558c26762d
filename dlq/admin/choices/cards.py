"""The cards of a person's page about what they chose and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from dlq.admin.choices.change_page import VERBS
from dlq.admin.choices.chosen import (
    MOST_SHOWN,
    changed_at,
    choice_lines,
    event_lines,
    history,
    setting_lines,
    suppression_lines,
)
from dlq.admin.choices.outlook import Device, outlook
from project.desk.rights import Right, may
from project.desk.sight import Sight
from users.recipients import preferences
from users.recipients.person import Preferences


class Whom(NamedTuple):
    """A person as far as these cards need them. An address of no user has neither a username nor a key.

    `labels` are all addresses by their hashes, each whole and as it may be seen.
    """

    username: str
    key: int | None  # in the directory
    devices: Sequence[Device]
    labels: Mapping[str, tuple[str, str]]


def cards(request: HttpRequest, whom: Whom, sight: Sight, *, changes_before: int) -> dict[str, Any]:
    """Returns what the templates show. Writes nothing."""
    may_open = request.user.has_perm("users.view_suppression")
    suppressed, more_suppressed = suppression_lines(whom.labels, sight, may_open=may_open)
    return {
        "chosen": _chosen(request, whom, sight, changes_before) if whom.username else None,
        "suppressed": suppressed,
        "more_suppressed": more_suppressed,
        "outlook": outlook(request.GET.dict(), whom.devices) if whom.devices else None,
    }


def _chosen(request: HttpRequest, whom: Whom, sight: Sight, changes_before: int) -> dict[str, Any]:
    chosen = preferences.of(whom.username)
    changes, older = history(whom.username, changes_before)
    return {
        "settings": setting_lines(chosen, changed_at(whom.username)),
        "choices": choice_lines(chosen),
        "more_choices": max(len(chosen.choices) - MOST_SHOWN, 0),
        "events": list(event_lines(changes, whom.username, sight)),
        "older": older,
        "buttons": _buttons(request, whom.key, chosen),
    }


def _buttons(request: HttpRequest, key: int | None, chosen: Preferences) -> list[tuple[str, str]]:
    """Returns the words and the address of each change that this person may make."""
    if key is None or not may(request, Right.SET_CHOICES):
        return []
    now = timezone.now()
    return [
        (verb.button, reverse("admin:desk_person_change", args=[key, name]))
        for name, verb in VERBS.items()
        if verb.allowed(chosen, now)
    ]
