"""Cleans what no index leads to: texts that staff or programs wrote, in tables that are read from end to end."""

from __future__ import annotations

from typing import Any, cast

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import CharField, Model, QuerySet

from dlq.models import DeadLetterEvent, Mending, Problem, Run
from notifications.models import Job, Pause, StaffAction
from project.desk.spelling import SEARCHES
from project.privacy.traces import Traces
from users.recipients.models import PreferenceEvent, Suppression

AT_ONCE = 1000
LOG_IN = ("username", "path_info")
ACTION = ("target", "note", "reason", "before", "after", "before_hash", "after_hash")
# A test walks every table of the database and names a column that is missing here.
TEXTS: list[tuple[type[Model], tuple[str, ...]]] = [
    (StaffAction, ACTION),
    (Run, ("reason", "why_paused", "selection", "summary")),
    (Mending, ("reason", "selection", "correction")),
    (Problem, ("example", "note", "link")),
    (Job, ("parameters", "cursor", "error")),
    (Pause, ("reason",)),
    (PreferenceEvent, ("reason",)),
    (DeadLetterEvent, ("error",)),
    (Suppression, ("evidence",)),
    (LogEntry, ("object_repr", "change_message")),
    (AccessAttempt, (*LOG_IN, "get_data", "post_data")),
    (AccessFailureLog, LOG_IN),
    (AccessLog, LOG_IN),
]


def clean(number: int, after: int, traces: Traces) -> tuple[int | None, int]:
    """Cleans the next rows of one of the tables. Returns the last one's key, None at the end, and how many it changed.

    A text that becomes too long for its column is cut.
    """
    model, columns = TEXTS[number]
    found = list(_rows(model).filter(pk__gt=after).order_by("pk").values("pk", *columns)[:AT_ONCE])
    count = 0
    for row in found:
        cleaned = {name: traces.cleaned(row[name], name) for name in columns}
        changed = {name: _cut(model, name, value) for name, value in cleaned.items() if value != row[name]}
        if changed:
            count += _rows(model).filter(pk=row["pk"]).update(**changed)
    return found[-1]["pk"] if len(found) == AT_ONCE else None, count


def clean_sessions(after: str, traces: Traces) -> tuple[str | None, int]:
    """Removes searches for the person from the next sessions of staff. Returns what `clean` does."""
    found = list(Session.objects.filter(pk__gt=after).order_by("pk")[:AT_ONCE])
    count = 0
    for session in found:
        kept = session.get_decoded()
        searches = kept.get(SEARCHES, {})
        others = {token: search for token, search in searches.items() if not traces.are_in(str(search[0]))}
        if len(others) < len(searches):
            data = SessionStore().encode(kept | {SEARCHES: others})
            count += Session.objects.filter(pk=session.pk).update(session_data=data)
    return found[-1].pk if len(found) == AT_ONCE else None, count


def _rows(model: type[Model]) -> QuerySet[Any]:
    """The admin's history of staff accounts is theirs: an account may have the name of a person."""
    rows: QuerySet[Any] = QuerySet(model)
    return rows.filter(content_type__app_label="users") if model is LogEntry else rows


def _cut(model: type[Model], name: str, value: Any) -> Any:
    field = model._meta.get_field(name)
    longest = cast("CharField[str, str]", field).max_length if isinstance(field, CharField) else None
    return value[:longest] if longest and isinstance(value, str) else value
