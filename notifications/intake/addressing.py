"""Where a draft to a user goes: to the preferred of their devices that it may use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec import UNSET

from notifications.messages.draft import Draft
from notifications.messages.explain import Errors
from notifications.messages.rules import content_problems
from users.people.models import User

Devices = dict[str, list[tuple[str, str]]]  # username → (channel, address), the preferred first


def without_names(to_users: Mapping[int, Draft]) -> dict[int, Errors]:
    """Returns the one answer for users who cannot be reached, whatever the reason and whoever of them it is."""
    who = "This user" if len(to_users) == 1 else "This user, or another of this batch,"
    return {position: {"user": [f"{who} has no device that can take this."]} for position in to_users}


def addresses_of(
    drafts: Mapping[int, Draft], channels: frozenset[str] | None
) -> tuple[dict[int, tuple[str, str]], dict[int, Errors]]:
    """Returns where drafts to users go, (channel, receiver) by position, and what is wrong with the others."""
    devices = _devices({str(draft.user) for draft in drafts.values()})
    addresses: dict[int, tuple[str, str]] = {}
    errors: dict[int, Errors] = {}
    for position, draft in drafts.items():
        channel, receiver, problems = _address(draft, devices, channels)
        if problems:
            errors[position] = problems
        else:
            addresses[position] = (channel, receiver)
    return addresses, errors


def _devices(usernames: set[str]) -> Devices:
    """Returns the devices of those of these users who are in the directory."""
    found: Devices = defaultdict(list)
    if usernames:
        rows = User.objects.filter(username__in=usernames).order_by("devices__position", "devices__id")
        for username, channel, address in rows.values_list("username", "devices__channel", "devices__address"):
            found[username] += [(channel, address)] if channel else []
    return dict(found)


def _address(draft: Draft, devices: Devices, channels: frozenset[str] | None) -> tuple[str, str, Errors]:
    """Returns where a draft to a user goes: (channel, receiver, what is wrong)."""
    user = str(draft.user)
    if user not in devices:
        return "", "", {"user": ["There is no such user."]}
    for channel, address in devices[user]:
        if draft.type in (UNSET, channel) and (channels is None or channel in channels):
            return channel, address, content_problems(draft, channel, address)
    kind = "" if draft.type is UNSET else f"{draft.type} "
    return "", "", {"user": [f"This user has no {kind}device."]}
