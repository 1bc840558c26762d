"""What the types cannot say of a notification: characters, addresses, what a channel takes.

The same rules are for a single request, an item of a batch and a Kafka record, in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from msgspec import UNSET

from notifications.channels import channel_class, channel_names
from notifications.channels.base import Channel
from notifications.messages.explain import Errors
from notifications.messages.fields import LENGTHS, Addressed, Carried, Content, texts_of

LAST_YEAR = 9000  # of a time: near 9999 a change of zone overflows
FURTHEST_AHEAD = timedelta(days=90)
CLOCKS_DIFFER = timedelta(minutes=5)  # a caller's clock and ours: what is so little off is taken as it was meant
TIMES = ("send_at", "expires_at", "latest_at")  # that a request may have
LINE_BREAK = re.compile(r"[\r\n]")
LONGEST_RECEIVER = LENGTHS["receiver"]
NUL = b"\\u0000"  # as JSON has to spell it: where these bytes are not, no text has one

Problem = tuple[str, str]  # a field, and what is wrong with it as a sentence


def is_right(draft: Addressed) -> bool:
    """Returns True where `draft_problems` finds nothing wrong, at a quarter of its cost; False where it has to look.

    For drafts whose body has no escape of a NUL, so their texts have none, and for no others. Nearly every draft is
    right, addressed by receiver, and needs no sentence. This repeats the rules below, which stay the ones that decide:
    a test compares both.
    """
    channel, receiver = draft.type, draft.receiver
    if channel is UNSET or receiver is UNSET or draft.user is not UNSET:
        return False
    try:
        rules = channel_class(channel)
    except KeyError:
        return False
    return (
        (draft.expires_at is None or draft.expires_at.year < LAST_YEAR)
        and (draft.send_at is None or draft.send_at.year < LAST_YEAR)
        and (draft.latest_at is None or draft.latest_at.year < LAST_YEAR)
        and (rules.takes_subject or not draft.subject)
        and (rules.takes_html or not draft.html)
        and _is_right(draft, rules, receiver)
        and rules.intake_problem(receiver) is None
    )


def is_right_record(message: Carried) -> bool:
    """Returns True where `record_problems` finds nothing wrong; False where it has to look.

    As `is_right`: for records whose bytes have no escape of a NUL.
    """
    send_at, expires_at = message.send_at, message.expires_at
    try:
        rules = channel_class(message.channel)
    except KeyError:
        return False
    return (
        2000 <= message.accepted_at.year <= LAST_YEAR
        and (send_at is None or 2000 <= send_at.year <= LAST_YEAR)
        and (expires_at is None or 2000 <= expires_at.year <= LAST_YEAR)
        and _is_right(message, rules, message.receiver)
    )


def _is_right(content: Content, rules: type[Channel], receiver: str) -> bool:
    text, subject, html = content.message, content.subject, content.html
    return (
        bool(text and content.category)
        and not text.isspace()
        and not (subject and LINE_BREAK.search(subject))
        and not rules.too_long(text)
        and not (html and rules.too_long(html))
        and len(receiver) <= LONGEST_RECEIVER
        and rules.receiver_problem(receiver) is None
    )


def draft_problems(draft: Addressed) -> Iterator[Problem]:
    """Yields what is wrong with a request whose types are right."""
    for name in TIMES:
        moment = getattr(draft, name)
        if moment and moment.year >= LAST_YEAR:  # as UTC it may be a day later
            yield name, f"Must be before the year {LAST_YEAR}."
    yield from _address_problems(draft)
    channel = None if draft.type is UNSET else draft.type
    yield from _content_problems(draft, channel, None if draft.receiver is UNSET else draft.receiver)
    if channel in settings.CHANNELS:
        takes = channel_class(channel)
        if draft.subject and not takes.takes_subject:
            yield "subject", f"{channel} takes no subject."
        if draft.html and not takes.takes_html:
            yield "html", f"{channel} takes no html."


def time_problems(draft: Addressed, now: datetime) -> Iterator[Problem]:
    """Yields what is wrong with the times of a request that comes in at this moment."""
    if send_at := draft.send_at:
        if send_at > now + FURTHEST_AHEAD + CLOCKS_DIFFER:
            yield "send_at", f"Must be at most {FURTHEST_AHEAD.days} days ahead."
        elif send_at < now - CLOCKS_DIFFER:
            yield "send_at", "Must not be in the past."
    for name in ("expires_at", "latest_at"):
        moment = getattr(draft, name)
        if moment and moment <= now:
            yield name, "Must be in the future."
        elif moment and send_at and moment <= send_at:
            yield name, "Must be after send_at."


def record_problems(message: Carried) -> Iterator[Problem]:
    """Yields what is wrong with a record whose types are right."""
    yield from _content_problems(message, message.channel, message.receiver)
    for name in ("accepted_at", "send_at", "expires_at"):
        moment = getattr(message, name)
        if moment and not 2000 <= moment.year <= LAST_YEAR:
            yield name, "Is out of range."


def content_problems(draft: Addressed, channel: str, receiver: str) -> Errors:
    """Returns what is wrong with a draft once its channel and receiver are known, for it was addressed by user."""
    return by_field(_content_problems(draft, channel, receiver))


def by_field(problems: Iterable[Problem], errors: Errors | None = None) -> Errors:
    """Returns the problems by their field, behind those in `errors`."""
    found: Errors = errors or {}
    for field, why in problems:
        found.setdefault(field, []).append(why)
    return found


def _address_problems(draft: Addressed) -> Iterator[Problem]:
    if draft.user is not UNSET:
        if draft.receiver is not UNSET:
            yield "receiver", "Must not be given together with user."
    elif draft.receiver is UNSET:
        yield "receiver", "This field is required, or user instead of it."
    elif draft.type is UNSET:
        yield "type", "This field is required."


def _content_problems(content: Content, channel: str | None, receiver: str | None) -> Iterator[Problem]:
    yield from _text_problems(content)
    if content.subject and LINE_BREAK.search(content.subject):
        yield "subject", "Must not contain a line break."
    if not content.message or content.message.isspace():
        yield "message", "Must not be empty."
    if not content.category:
        yield "category", "Must not be empty."
    if channel is None:
        return
    if channel not in settings.CHANNELS:
        yield "type", f"Must be one of {', '.join(channel_names())}."
        return
    rules = channel_class(channel)
    for field, text in (("message", content.message), ("html", content.html)):
        if rules.too_long(text):
            yield field, f"Must have at most {rules.max_message} for {channel}."
    if receiver is not None:
        yield from _receiver_problems(content, rules, receiver)


def _text_problems(content: Content) -> Iterator[Problem]:
    names, read = texts_of(content.__class__)
    texts = read(content)
    # One look at all of them is nearly always enough; this runs for every request and every record.
    if "\x00" in "".join(filter(None, texts)):
        for name, text in zip(names, texts, strict=True):
            if text and "\x00" in text:
                yield name, "Must not contain NUL."


def _receiver_problems(content: Content, rules: type[Channel], receiver: str) -> Iterator[Problem]:
    """By length first: what a rule costs may grow with it."""
    if len(receiver) > LONGEST_RECEIVER:
        # The type complained of one that was given. This one is a device's.
        if isinstance(content, Addressed) and content.receiver is UNSET:
            yield "receiver", f"Must have at most {LONGEST_RECEIVER:,} characters."
    elif problem := rules.receiver_problem(receiver):
        yield "receiver", problem
    elif isinstance(content, Addressed) and (problem := rules.intake_problem(receiver)):
        yield "receiver", problem  # a record was accepted, perhaps under other settings
