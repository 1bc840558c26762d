"""What pages say of a pause: which one keeps a notification from going, and who began it, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from notifications.ledger.pauses.targets import providers_of
from notifications.messages.words import PauseKind, Reason
from notifications.models import Notification, Pause
from project.desk.moments import clock, since

LONGEST_REASON = 200  # characters of a person's words, in a sentence


def pause_of(row: Notification) -> Pause | None:
    """Returns the pause for which this one waits, or None. Takes one query."""
    names = {
        (PauseKind.PLATFORM, ""),
        (PauseKind.CHANNEL, row.channel),
        (PauseKind.CATEGORY, row.category),
        (PauseKind.CLIENT, row.client),
    }
    in_force = list(Pause.objects.in_force())
    found = [pause for pause in in_force if (pause.kind, pause.name) in names]
    if not found and row.reason == Reason.STOPPED:  # all providers of the channel are paused
        found = [pause for pause in in_force if pause.kind == PauseKind.PROVIDER]
        found = [pause for pause in found if pause.name in providers_of(row.channel)]
    return max(found, key=_lasts_longest) if found else None


def in_a_sentence(pause: Pause, now: datetime, reason: str) -> str:
    """Returns such as "E-mail is paused by anna since 08:00, until 09:00 (“the texts are wrong”)".

    `reason` is the pause's as the reader may see it.
    """
    words = " ".join(reason.split())
    cut = f"{words[:LONGEST_REASON]}…" if len(words) > LONGEST_REASON else words
    until = f", until {clock(pause.until, now)}" if pause.until else ""
    how = "read-only for maintenance" if pause.kind == PauseKind.PLATFORM else "paused"
    return f"{pause.in_words} is {how} by {pause.actor} {since(pause.began_at, now)}{until} (“{cut}”)"


def of_channel(pauses: Sequence[Pause], channel: str) -> Pause | None:
    """Returns the one of these that stops a whole channel by its name, or everything."""
    whole = ((PauseKind.PLATFORM, ""), (PauseKind.CHANNEL, channel))
    return next((pause for pause in pauses if (pause.kind, pause.name) in whole), None)


def _lasts_longest(pause: Pause) -> tuple[bool, float]:
    return pause.until is None, pause.until.timestamp() if pause.until else 0.0
