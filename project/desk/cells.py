"""What lists of notifications and letters show in a cell: what it was about, how long ago, words and marks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from notifications.channels import redaction
from notifications.models import REMOVED, Notification
from project.desk import moments
from project.desk.audit import printed
from project.desk.sight import LONGEST_FIRST_WORDS, Sight

LONGEST_ANSWER = 80  # characters
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one person may read of a notification in a list."""

    receiver: str
    about: str
    answer: str
    person: str = ""


def with_beginning(rows: QuerySet[Notification], sight: Sight) -> QuerySet[Notification]:
    """Adds `beginning`, cut by the database, for whoever may see contents: no list reads a whole text."""
    if not sight.contents:
        return rows.annotate(beginning=Value(""))
    return rows.annotate(beginning=Substr("message", 1, LONGEST_FIRST_WORDS + 1))


def seen(row: Any, sight: Sight, answer: str) -> Seen:
    """Returns what a list shows of a row `with_beginning` and of an answer about it, with receivers masked."""
    shown = cut(redaction.shown(answer, row.receiver), LONGEST_ANSWER)
    return Seen(row.masked_receiver, about_of(row, sight), shown, sight.person(row.user))


def unread(error: str) -> Seen:
    """Returns what a list shows of a record that could not be read. What is wrong with it may name what is in it."""
    return Seen("not readable", "a record that could not be read", cut(redaction.shown(error), LONGEST_ANSWER))


def about_of(row: Any, sight: Sight) -> str:
    """Returns what a row `with_beginning` was about, in one line, as far as this person may know it."""
    if row.texts_removed:
        return REMOVED
    return cut(" ".join(sight.about(row.category, row.subject, row.beginning).split()), LONGEST_FIRST_WORDS)


def age(moment: datetime | None) -> SafeString:
    """Returns how long ago a time is, and the time itself for whoever points at it."""
    if moment is None:
        return format_html("{}", NOTHING)
    text = moments.age(moment, timezone.now())
    return format_html(
        '<time class="desk-age" datetime="{}" title="{}">{}</time>', moment.isoformat(), printed(moment), text
    )


def marks(found: Iterable[tuple[str, str]]) -> SafeString:
    """Returns labels, each with its tone ("bad", "odd", ""), for what is not normal."""
    shown = [(f"desk-mark desk-{tone or 'plain'}", text) for tone, text in found if text]
    return format_html_join(" ", '<span class="{}">{}</span>', shown)


def isolated(text: str, style: str = "") -> SafeString:
    """Returns a stranger's text, whose direction changes nothing around it."""
    return format_html('<bdi class="{}" dir="auto">{}</bdi>', style, text or NOTHING)


def cut(text: str, most: int) -> str:
    """Returns at most so many characters of a text, and an ellipsis where there are more."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"
