"""Reads and writes categories for their calls, and the record of each change, which the admin writes as well."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import time
from typing import Any, Literal

import msgspec
from django.core.exceptions import ValidationError
from django.http import Http404
from msgspec import UNSET, UnsetType

from notifications.messages.draft import NOT_DECODED
from notifications.messages.explain import Errors, Invalid, explain
from notifications.messages.fields import LENGTHS
from notifications.messages.words import CategoryKind, Late, Overflow, StaffVerb
from notifications.models import Category
from project.desk.audit import LONGEST_CHANGE, Change, one_at_a_time, write_actions
from users.recipients.category_rules import DAY
from users.recipients.wishes import CLOCK, CapGiven

DEFAULT = "default"  # of requests that name no category
MOST = 500  # categories
# The fields of a call, where the table has other names.
SHOWN_AS = {
    "kind": "class",
    "on_by_default": "default",
    "cap_count": "cap",
    "cap_seconds": "cap",
    "digest_seconds": "digest",
    "digest_limit": "digest",
    "digest_at": "digest",
}


class DigestGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Seconds, with a limit or without, or an hour."""

    seconds: int | None = None
    limit: int | None = None
    at: str | None = None


class CategoryGiven(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a PUT. What is left out has its default."""

    kind: Literal["mandatory", "transactional", "promotional"] = msgspec.field(default="transactional", name="class")
    default: bool | UnsetType = UNSET
    channels: list[str] | None = None
    cap: CapGiven | None = None
    overflow: Literal["wait", "digest"] = "wait"
    digest: DigestGiven | None = None
    quiet: bool = True
    late: Literal["send", "expire"] = "send"
    on_uncertain: Literal["resend", "hold"] = "resend"
    sensitive: bool = False
    passes: list[str] = []


_decode = msgspec.json.Decoder(CategoryGiven).decode


def read(body: bytes) -> dict[str, Any]:
    """Returns the columns of a category as the body of a PUT has them. Raises Invalid.

    Nobody gets what is promotional unless they want it, so there `default` is true only where the body says so.
    """
    try:
        given = _decode(body)
    except NOT_DECODED as error:
        raise Invalid(explain(body, error, CategoryGiven)[1]) from None
    cap, digest = given.cap, given.digest or DigestGiven()
    if given.digest and (digest.seconds is None) is (digest.at is None):
        raise Invalid({"digest": ["Must have seconds, or at: a time such as 08:00."]})
    return {
        "kind": given.kind,
        "on_by_default": given.kind != "promotional" if given.default is UNSET else given.default,
        "channels": given.channels,
        "cap_count": cap.count if cap else None,
        "cap_seconds": cap.seconds if cap else None,
        "overflow": given.overflow,
        "digest_seconds": digest.seconds,
        "digest_limit": digest.limit,
        "digest_at": None if digest.at is None else _hour(digest.at),
        "quiet": given.quiet,
        "late": given.late,
        "on_uncertain": given.on_uncertain,
        "sensitive": given.sensitive,
        "passes": given.passes or None,
    }


def _hour(given: str) -> time:
    if (found := CLOCK.fullmatch(given)) is None:
        raise Invalid({"digest": ["Must be at a time such as 08:00."]})
    return time(int(found[1]), int(found[2]))


def put(name: str, values: Mapping[str, Any], actor: str) -> tuple[Category, bool]:
    """Makes or replaces a category. Returns it, and whether it is new. Raises Invalid."""
    with one_at_a_time():
        before = Category.objects.filter(name=name).first() if name_is_possible(name) else None
        if before is None and Category.objects.count() >= MOST:
            raise Invalid({"name": [f"There are {MOST} categories, and no more are taken."]})
        after = copy(before) if before else Category(name=name)
        for column, value in values.items():
            setattr(after, column, value)
        try:
            after.full_clean()
        except ValidationError as error:
            raise Invalid(_errors(error)) from None
        after.save()
        record(actor, before, after)
    return after, before is None


def delete(name: str, actor: str) -> None:
    """Deletes a category. Raises Http404, and Invalid for the default one."""
    if name == DEFAULT:
        raise Invalid({"name": ["It is the category of requests that name none, and stays."]})
    with one_at_a_time():
        category = Category.objects.filter(name=name).first()
        if category is None:
            raise Http404
        record(actor, category, None)
        category.delete()


def record(actor: str, before: Category | None, after: Category | None) -> None:
    """Writes down a change, inside its transaction: what a category was, "" for none, and is. No change writes none.

    It is flagged where it shows or hides contents, makes a category mandatory or no longer so, or sends people what
    is promotional without asking them.
    """
    was, now = in_words(before), in_words(after)
    if was == now:
        return
    verb = StaffVerb.SET_CATEGORY if after else StaffVerb.DELETE_CATEGORY
    name = (after or before or Category()).name
    note = "; ".join(_warnings(before, after))
    change = Change(before=was, after=now, flagged=bool(note))
    write_actions(actor, verb, [(f"category {name}"[:100], None)], note, change=change)


def in_words(category: Category | None) -> str:
    """Returns what a category says, for the record: what is as it is by default is left out; "" without a category."""
    if category is None:
        return ""
    plain = Category()
    words = [category.on_uncertain, "sensitive" if category.sensitive else "not sensitive"]
    words += [category.kind] if category.kind != plain.kind else []
    words += [] if category.on_by_default else ["off unless switched on"]
    words += [f"on {', '.join(category.channels)}"] if category.channels else []
    if category.cap_count is not None:
        words.append(f"at most {category.cap_count} in {category.cap_seconds or DAY} seconds")
    words += ["in a digest over a cap"] if category.overflow == Overflow.DIGEST else []
    words += [f"digest after {category.digest_seconds} seconds"] if category.digest_seconds else []
    words += [f"anew with each, at most {category.digest_limit}"] if category.digest_limit else []
    words += [f"digest at {category.digest_at:%H:%M}"] if category.digest_at else []
    words += [] if category.quiet else ["at any hour"]
    words += ["expires where quiet hours last too long"] if category.late == Late.EXPIRE else []
    words += [f"passes {', '.join(category.passes)}"] if category.passes else []
    return ", ".join(words)[:LONGEST_CHANGE]


def _warnings(before: Category | None, after: Category | None) -> list[str]:
    mandatory = [bool(each and each.kind == CategoryKind.MANDATORY) for each in (before, after)]
    sensitive = [bool(each and each.sensitive) for each in (before, after)]
    unasked = [bool(each and each.kind == CategoryKind.PROMOTIONAL and each.on_by_default) for each in (before, after)]
    found = []
    if mandatory == [False, True]:
        found.append("made mandatory: it is sent whatever people chose")
    if mandatory == [True, False]:
        found.append("mandatory no longer: people can switch it off")
    if sensitive[0] is not sensitive[1] and before:
        found.append("contents are hidden" if sensitive[1] else "contents are no longer hidden")
    if unasked == [False, True]:
        found.append("promotional, and sent to people who did not ask for it")
    return found


def shown(category: Category) -> dict[str, Any]:
    """Returns what a category says as the API has it."""
    cap = None if category.cap_count is None else {"count": category.cap_count, "seconds": category.cap_seconds or DAY}
    return {
        "class": category.kind,
        "default": category.on_by_default,
        "channels": category.channels,
        "cap": cap,
        "overflow": category.overflow,
        "digest": _shown_digest(category),
        "quiet": category.quiet,
        "late": category.late,
        "on_uncertain": category.on_uncertain,
        "sensitive": category.sensitive,
        "passes": category.passes or [],
    }


def _shown_digest(category: Category) -> dict[str, Any] | None:
    if category.digest_at:
        return {"at": f"{category.digest_at:%H:%M}"}
    if category.digest_seconds is None:
        return None
    limit = {"limit": category.digest_limit} if category.digest_limit else {}
    return {"seconds": category.digest_seconds, **limit}


def name_is_possible(name: str) -> bool:
    """Returns False for a name that no category can have, and for which no database need be asked."""
    return len(name) <= LENGTHS["category"] and name.isprintable()


def _errors(error: ValidationError) -> Errors:
    """Returns the sentences of a form under the names that the call has for its fields."""
    errors: Errors = {}
    for name, sentences in error.message_dict.items():
        errors.setdefault(SHOWN_AS.get(name, name), []).extend(sentences)
    return errors
