"""What a customer is answered: texts by status and cause, from a file for each language in dlq/answers."""

from __future__ import annotations

import re
import tomllib
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from django.utils import translation
from django.utils.dateformat import format as format_date

from dlq.story.situation import Situation
from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status

FOLDER = Path(__file__).parent / "answers"
_PLACE = re.compile(r"\{([a-z ]+)\}")


@cache
def languages() -> dict[str, str]:
    """Returns the languages that have a file: code → the language's own name."""
    return {path.stem: _texts(path.stem)["language"] for path in sorted(FOLDER.glob("*.toml"))}


def answer_for(s: Situation, language: str, *, zone: tzinfo, name: str = "", subject: str = "") -> str:
    """Returns the text for the customer, with a line break after the greeting.

    `zone` is the customer's. `subject` is "" where whoever copies the text may not see it. Raises KeyError for a
    language without a file.
    """
    texts = _texts(language)
    entry = _entry(texts, s)
    what = texts["what"].get(s.channel, texts["what"]["other"])
    filled = {
        "what": _filled(texts["about"], {"what": what, "subject": subject}) if subject else what,
        "when": _written(_moment(s), texts["when"], language, zone),
        "what you can do": texts[Status.EXPIRED]["do"] if s.has_expired and s.status == Status.DEAD else entry["do"],
    }
    greeting = _filled(texts["greeting"], {"name": name}) if name else texts["greeting_without_name"]
    words = _filled(entry["text"], filled)
    return f"{greeting}\n\n{words[:1].upper()}{words[1:]}"


def _entry(texts: dict[str, Any], s: Situation) -> dict[str, str]:
    """Returns the text of a status, and of its cause where a status has more than one."""
    if s.status in (Status.DEAD, ""):
        by_cause: dict[str, dict[str, str]] = texts[Status.DEAD]
        return by_cause.get(s.cause, by_cause[Cause.BUG])
    found: dict[str, str] = texts[_key(s)]
    return found


def _key(s: Situation) -> str:
    if s.paused and s.status in (Status.QUEUED, Status.WAITING):
        return "paused"
    if s.status == Status.WAITING and s.reason == Reason.STOPPED:
        return Status.QUEUED  # the pause is over
    if s.status == Status.WAITING and s.reason == Reason.SCHEDULED:
        return "scheduled"
    if s.out_since and s.status in (Status.QUEUED, Status.WAITING):
        return "out-of-order"
    if s.status == Status.WAITING and s.reason == Reason.UNCERTAIN:
        return "waiting-uncertain"
    if s.status == Status.WAITING and s.cause == Cause.MAILBOX_FULL:
        return "waiting-mailbox-full"
    return s.status


def _moment(s: Situation) -> datetime:
    """Returns the time that matters to the customer: of the next try, of the end, or of the acceptance."""
    moment: datetime | None
    match s.status:
        case Status.WAITING if s.reason == Reason.SCHEDULED and not s.paused:
            moment = s.due_at
        case Status.WAITING if not (s.out_since or s.paused or s.reason == Reason.STOPPED):
            moment = max(s.due_at, s.now) if s.due_at else s.now
        case Status.EXPIRED:
            moment = s.expires_at or s.ended_at
        case Status.DEAD | Status.HELD | "":
            moment = s.failed_at
        case _:
            moment = s.ended_at or s.accepted_at
    return moment or s.accepted_at or s.now


def _written(moment: datetime, pattern: str, language: str, zone: tzinfo) -> str:
    with translation.override(language):
        return format_date(moment.astimezone(zone), pattern)


def _filled(text: str, values: dict[str, str]) -> str:
    """Returns the text with its places filled in one pass, so that a value is never taken for a place."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text)


@cache
def _texts(language: str) -> dict[str, Any]:
    path = FOLDER / f"{language}.toml"
    if path.parent != FOLDER or not path.is_file():
        raise KeyError(language)
    return tomllib.loads(path.read_text(encoding="utf-8"))
