"""Decides what a person may see of a notification: its receiver, what it contains, and what a provider answered.

Every page asks here. A receiver is whole only with SEE_RECEIVER, a text only with SEE_CONTENT. What a notification of
a sensitive category contains is shown to nobody, whatever their rights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import msgspec
from django.http import HttpRequest

from notifications.channels import channel_class, channel_names, masked
from notifications.channels.redaction import UNICODE_ESCAPE, shown
from notifications.models import REMOVED, Category, Notification
from project.desk.rights import Right, may

LONGEST_FIRST_WORDS = 60  # characters of a text that stands for a subject
HIDDEN = "(hidden)"
DEFAULT = "default"  # the category of a record that names none


@dataclass(frozen=True, slots=True)
class Content:
    """What a notification contains, as one person may see it.

    `hidden` is a sentence, and the texts are empty, where they may not. `may_ask` is True where a reason reveals them.
    """

    subject: str = ""
    message: str = ""
    html: str = ""
    hidden: str = ""
    may_ask: bool = False


class Sight:
    """What one person may see. Made once for a request; reads the names of the sensitive categories once, when asked.

    `contents` is about categories that are not sensitive; `asks` says that this person may reveal one for a reason.
    """

    def __init__(self, *, receivers: bool, contents: bool, asks: bool) -> None:
        self.receivers = receivers
        self.contents = contents
        self.asks = asks

    @cached_property
    def sensitive(self) -> frozenset[str]:
        return Category.sensitive_names()

    def is_sensitive(self, category: str | None) -> bool:
        """Returns True where nobody may see contents; None is a category that nobody can find any more."""
        return bool(self.sensitive) if category is None else category in self.sensitive

    def address(self, channel: str, receiver: str) -> str:
        """Returns a receiver or the address of a device, whole or masked."""
        return receiver if self.receivers else masked(channel, receiver)

    def receiver(self, row: Notification) -> str:
        """Returns the row's receiver, whole or masked, or the word for what retention has removed."""
        return REMOVED if row.texts_removed else self.address(row.channel, row.receiver)

    def person(self, user: str) -> str:
        """Returns a user's id: some main applications use addresses and numbers of people as ids."""
        if self.receivers or not (user.startswith("+") or "@" in user or "://" in user):
            return user
        names = (name for name in channel_names() if channel_class(name).receiver_problem(user) is None)
        channel = next(names, "")
        return masked(channel, user) if channel else shown(user)

    def content(self, row: Notification) -> Content:
        """Returns the row's texts, or why they are not shown."""
        if row.texts_removed:
            return Content(message=REMOVED)
        return self.texts(row.category, row.message, subject=row.subject, html=row.html)

    def texts(self, category: str | None, message: str, *, subject: str = "", html: str = "") -> Content:
        """Returns texts of a notification of this category, or why they are not shown."""
        if self.is_sensitive(category):
            about = category or "nobody knows the category any more"
            return Content(hidden=f"hidden: {about}, {len(message):,} characters")
        if not self.contents:
            return Content(
                subject=self.subject(category, subject),
                hidden=f"hidden, {len(message):,} characters",
                may_ask=self.asks,
            )
        return Content(subject=subject, message=message, html=html)

    def subject(self, category: str | None, subject: str) -> str:
        """Returns the subject, or "" for whom it is hidden. Whoever may ask sees subjects, to know for which to ask."""
        return subject if (self.contents or self.asks) and not self.is_sensitive(category) else ""

    def about(self, category: str, subject: str, beginning: str) -> str:
        """Returns what a list says a notification was about: the subject, the first words, or (hidden).

        `beginning` are the first characters of the text: one more than LONGEST_FIRST_WORDS shows that there is more.
        """
        if found := self.subject(category, subject):
            return found
        if not self.contents or self.is_sensitive(category):
            return HIDDEN
        words = " ".join(beginning.split())
        return words if len(words) <= LONGEST_FIRST_WORDS else f"{words[:LONGEST_FIRST_WORDS]}…"

    def answer(self, words: str, *receivers: str) -> str:
        """Returns a provider's words: whole for whoever sees receivers, without these and any address for others."""
        return words if self.receivers else shown(words, *receivers)

    def raw(self, record: bytes) -> bool:
        """Returns True where this person may see a record that could not be read: anything may be in it."""
        if not (self.receivers and self.contents):
            return False
        return not self._names_sensitive(record)

    def _names_sensitive(self, record: bytes) -> bool:
        """Returns True where the category is sensitive; where nobody can tell the category, where any is named."""
        if not self.sensitive:
            return False
        try:
            found = msgspec.json.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("category"), str):
            return found["category"] in self.sensitive
        plain = UNICODE_ESCAPE.sub(_unescaped, record.replace(b"\0", b"").decode(errors="replace"))
        return DEFAULT in self.sensitive or any(name in plain for name in self.sensitive)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def sight_of(request: HttpRequest) -> Sight:
    """Returns what the person of this request may see."""
    return Sight(
        receivers=may(request, Right.SEE_RECEIVER),
        contents=may(request, Right.SEE_CONTENT),
        asks=may(request, Right.REVEAL),
    )
