"""What lists of notifications and letters show in a cell: what it was about, how long ago, words and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Substr
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from notifications.models import REMOVED, Category, Notification
from project.desk.audit import printed

LONGEST_ABOUT = 60  # characters of a subject, or of the text where there is none
LONGEST_ANSWER = 80
NOTHING = "–"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def with_about(rows: QuerySet[Notification], *, contents: bool) -> QuerySet[Notification]:
    """Adds `about`: the subject or the beginning of the text, cut by the database, which reads no more of it.

    Of a sensitive category, it only says so. Without `contents` it is empty.
    """
    if not contents:
        return rows.annotate(about=Value(""))
    sensitive = Q(category__in=Category.objects.filter(sensitive=True).values("name"))
    beginning = Case(
        When(sensitive, then=Concat(Value("hidden: "), F("category"))),
        When(~Q(subject=""), then=Substr("subject", 1, LONGEST_ABOUT + 1)),
        default=Substr("message", 1, LONGEST_ABOUT + 1),
    )
    return rows.annotate(about=beginning)


def about_text(row: Any) -> str:
    """Returns what a notification was about, in one line of at most 60 characters."""
    if row.texts_removed:
        return REMOVED
    return cut(" ".join(str(row.about).split()), LONGEST_ABOUT)


def about(row: Any) -> SafeString:
    """Returns the same for a page. Its direction is that of the text, whatever stands around it."""
    return format_html('<bdi class="desk-about" dir="auto">{}</bdi>', about_text(row) or NOTHING)


def age(moment: datetime | None) -> SafeString:
    """Returns how long ago a time is, and the time itself for whoever points at it."""
    if moment is None:
        return format_html("{}", NOTHING)
    text = in_short((timezone.now() - moment).total_seconds())
    return format_html(
        '<time class="desk-age" datetime="{}" title="{}">{}</time>', moment.isoformat(), printed(moment), text
    )


def in_short(seconds: float) -> str:
    """Returns a number of seconds in its largest unit, such as "3 h ago" or "in 5 min"."""
    size = abs(seconds)
    if size < MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"))
    length, unit = next((length, unit) for length, unit in units if size >= length)
    text = f"{int(size // length):,} {unit}"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def marks(found: Iterable[tuple[str, str]]) -> SafeString:
    """Returns labels, each with its tone ("bad", "odd", ""), for what is not normal."""
    shown = [(f"desk-mark desk-{tone or 'plain'}", text) for tone, text in found if text]
    return format_html_join(" ", '<span class="{}">{}</span>', shown)


def isolated(text: str) -> SafeString:
    """Returns a stranger's text, whose direction changes nothing around it."""
    return format_html('<bdi dir="auto">{}</bdi>', text or NOTHING)


def answer(text: str, receiver: str, mask: str) -> str:
    """Returns the beginning of a provider's answer, with the receiver's mask for its address."""
    shown = re.sub(re.escape(receiver), lambda _: mask, text, flags=re.IGNORECASE) if receiver else text
    return cut(shown, LONGEST_ANSWER)


def cut(text: str, most: int) -> str:
    """Returns at most so many characters of a text, and an ellipsis where there are more."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"
