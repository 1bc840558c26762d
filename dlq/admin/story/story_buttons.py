"""The buttons of a notification's page: those that its state and the person's rights allow, the advised one first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from dlq.admin.finding.hits import sees_letters
from dlq.admin.story.story import Rows
from dlq.story.advice import Advice
from dlq.story.explanations import Step
from project.desk.links import page_url
from project.desk.rights import Right, may
from project.desk.sight import Sight


@dataclass(frozen=True, slots=True)
class Button:
    """A verb as a button: its words, the page that asks, and the rights that the page needs."""

    words: str
    page: str
    rights: tuple[Right, ...]


BUTTONS = {
    Step.REPLAY: Button("Replay", "dlq_deadletter_verb", (Right.REPLAY,)),
    Step.REDIRECT: Button("Change the receiver", "dlq_deadletter_redirect", (Right.REDIRECT,)),
    Step.EDIT: Button("Edit the text", "dlq_deadletter_repair", (Right.EDIT_CONTENT, Right.SEE_CONTENT)),
    Step.DISCARD: Button("Discard", "dlq_deadletter_verb", (Right.DISCARD,)),
    Step.MARK_SENT: Button("It did arrive: mark as sent", "dlq_deadletter_verb", (Right.REPLAY,)),
    Step.CORRECT: Button("Correct and send", "dlq_deadletter_repair", (Right.EDIT_CONTENT, Right.REDIRECT)),
    Step.TRY_NOW: Button("Try now", "notifications_notification_try_now", (Right.TRY_NOW,)),
}


def buttons(request: HttpRequest, rows: Rows, sight: Sight, advice: Advice) -> dict[str, Any]:
    """Returns the buttons that this person may use, the main one first, and why others are missing."""
    allowed = [step for step in advice.steps if _is_allowed(request, step, rows, sight)]
    main = advice.main if advice.main in allowed else None
    lacking = ""
    if advice.steps and not allowed:
        lacking = "You may read this, but not act on it."
    elif advice.main and main is None:
        lacking = "You may not do this yourself: ask somebody who may."
    made = [(BUTTONS[step].words, _page(step, rows)) for step in allowed]
    shown = [(words, page, step is main) for (words, page), step in zip(made, allowed, strict=True) if page]
    return {"buttons": shown, "lacking": lacking}


def _is_allowed(request: HttpRequest, step: Step, rows: Rows, sight: Sight) -> bool:
    button = BUTTONS[step]
    if not may(request, *button.rights) or (button.page.startswith("dlq_") and not sees_letters(request)):
        return False
    if step in (Step.EDIT, Step.REDIRECT):
        return rows.notification is not None and not sight.is_sensitive(rows.notification.category)
    if step is Step.REPLAY:
        row = rows.notification
        return row is None or not (
            row.expires_at and row.expires_at <= timezone.now() and sight.is_sensitive(row.category)
        )
    if step is Step.CORRECT:
        return rows.letter is not None and sight.raw(bytes(rows.letter.raw or b""))
    return True


def _page(step: Step, rows: Rows) -> str:
    """Returns the address of the page that asks before the verb acts."""
    page = BUTTONS[step].page
    if step is Step.TRY_NOW and rows.notification:
        return f"{page_url(page)}?{urlencode({'ids': rows.notification.pk.hex})}"
    if rows.letter is None:
        return ""
    if page == "dlq_deadletter_verb":
        return f"{page_url(page, step.value)}?{urlencode({'ids': rows.letter.pk})}"
    return page_url(page, rows.letter.pk)
