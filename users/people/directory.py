"""The directory's writes: a user as the main application says they are now, or gone.

All clients share the directory, so each change is written down with the API key that made it, and without addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404

from notifications.channels import channel_class, channel_names
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS
from notifications.messages.words import StaffVerb
from project.desk.audit import write_actions
from users.people.models import Device, User

MAX_DEVICES = 50
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Entry:
    """A user's name and their devices, as (channel, address), the preferred first."""

    name: str
    devices: list[tuple[str, str]]


def username_problem(username: str) -> str | None:
    """Why this cannot be a username, or None."""
    try:
        User.username.field.clean(username, None)
    except ValidationError as error:
        return " ".join(error.messages)
    return None


def read_entry(body: bytes) -> Entry:
    """The body of a PUT. Raises Invalid with everything that is wrong with it."""
    try:
        decoded = msgspec.json.decode(body)
    except RecursionError:
        raise Invalid({"detail": "The JSON is nested too deeply.", "code": "malformed"}) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid({"detail": f"The body is not valid JSON: {error}.", "code": "malformed"}) from None
    if not isinstance(decoded, dict):
        raise Invalid({"detail": "Must be a JSON object.", "code": "malformed"})
    errors: dict[str, Any] = {name[:100]: ["Unknown field."] for name in decoded if name not in ("name", "devices")}
    name, devices = decoded.get("name", ""), decoded.get("devices")
    if problem := _text_problem(name, MAX_NAME):
        errors["name"] = [problem]
    if wrong := _devices_problem(devices):
        errors["devices"] = wrong
    if errors or devices is None:
        raise Invalid(errors)
    return Entry(name, [(device["type"], device["address"]) for device in devices])


def has_device(username: str, channel: str, address: str) -> bool:
    """Returns True where this address, in whatever spelling, is a device of the person on this channel."""
    rules = channel_class(channel)
    known = Device.objects.filter(user__username=username, channel=channel).values_list("address", flat=True)
    return rules.canonical(address) in {rules.canonical(each) for each in known[:MAX_DEVICES]}


@transaction.atomic
def put(username: str, entry: Entry, actor: str) -> tuple[User, bool]:
    """Makes or replaces the user. Returns the user, and whether they are new.

    The user's row is locked first, so that two calls for one user follow each other.
    """
    user, created = _locked(username, entry.name)
    changed = ["name"] if user.name != entry.name or (created and entry.name) else []
    if user.name != entry.name:
        user.name = entry.name
        user.save(update_fields=["name"])
    changed += _replace_devices(user, entry.devices)
    if created or changed:
        what = ", ".join(changed) or "no devices"
        write_actions(
            actor, StaffVerb.PUT_USER, [(_target(username), None)], note=f"{'new' if created else 'changed'}: {what}"
        )
    return user, created


@transaction.atomic
def delete(username: str, actor: str) -> None:
    """Deletes the user and their devices. The ledger keeps its rows. Raises Http404."""
    user = User.objects.select_for_update().filter(username=username).first()
    if user is None:
        raise Http404
    user.delete()
    write_actions(actor, StaffVerb.DELETE_USER, [(_target(username), None)])


def _replace_devices(user: User, devices: list[tuple[str, str]]) -> list[str]:
    """Give the user these devices, where theirs are others; the channels that changed, or all in another order."""
    before = list(user.devices.values_list("channel", "address"))
    if before == devices:
        return []
    user.devices.all().delete()
    Device.objects.bulk_create(
        Device(user=user, channel=channel, address=address, position=position)
        for position, (channel, address) in enumerate(devices)
    )
    others = {channel for channel, _ in set(before) ^ set(devices)}
    return sorted(others) or ["order"]


def _target(username: str) -> str:
    """How a user is named as the target of a staff action, which has 100 characters."""
    return f"user {username}"[:100]


def _locked(username: str, name: str) -> tuple[User, bool]:
    """The user's row, locked, and whether it was made just now. One deleted in between is made again."""
    while True:
        user = User.objects.select_for_update().filter(username=username).first()
        if user is not None:
            return user, False
        try:
            with transaction.atomic():
                return User.objects.create(username=username, name=name), True
        except IntegrityError:  # somebody else made it just now; it may be gone again by the next look
            continue


def _text_problem(value: object, longest: int) -> str | None:
    if not isinstance(value, str):
        return "Must be a string."
    if "\x00" in value:
        return "Must not contain NUL."
    return f"Must have at most {longest:,} characters." if len(value) > longest else None


def _devices_problem(devices: object) -> list[str] | dict[str, Any] | None:
    if devices is None:
        return ["This field is required."]
    if not isinstance(devices, list):
        return ["Must be a list."]
    if len(devices) > MAX_DEVICES:
        return [f"Must hold at most {MAX_DEVICES} devices."]
    wrong = {str(position): dict(_device_problems(device)) for position, device in enumerate(devices)}
    return {position: errors for position, errors in wrong.items() if errors} or None


def _device_problems(device: object) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(device, dict):
        yield "detail", ["Must be an object with type and address."]
        return
    for name in device:
        if name not in ("type", "address"):
            yield name[:100], ["Unknown field."]
    for name in ("type", "address"):
        if name not in device:
            yield name, ["This field is required."]
    channel, address = device.get("type"), device.get("address")
    known = channel in channel_names()
    if "type" in device and not known:
        yield "type", [f"Must be one of {', '.join(channel_names())}."]
    if "address" in device:
        problem = _text_problem(address, LENGTHS["receiver"])
        if not problem and known:
            problem = channel_class(str(channel)).receiver_problem(str(address))
        if problem:
            yield "address", [problem]
