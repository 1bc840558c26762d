"""What staff do about a problem: take it on, call it known, fixed or ignored, and write down what they know of it.

Each verb is one transaction and one staff action. It changes the problem that the person saw: where somebody else
changed it since, it changes nothing and says who that was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from dlq.models import Problem
from dlq.problems.counts import GROWING_FROM, LOUD, rates_of
from notifications.messages.words import StaffVerb
from project.database.dialects import clock
from project.desk.audit import expect, last_actions, one_at_a_time, printed, write_actions

State = Problem.State


class Stale(RuntimeError):
    """Somebody else changed the problem after the person had seen it. Its text says who and when."""


def take(problem_id: int, actor: str, seen: datetime) -> None:
    """Makes this person the owner. Raises Stale."""
    _change(problem_id, actor, StaffVerb.TAKE, seen, lambda _: {"owner": actor})


def leave(problem_id: int, actor: str, seen: datetime) -> None:
    """Leaves the problem without an owner. Raises Stale."""
    _change(problem_id, actor, StaffVerb.LEAVE, seen, lambda _: {"owner": ""})


def mark_known(
    problem_id: int,
    actor: str,
    seen: datetime,
    *,
    until: datetime | None,
    doubling: bool,
    note: str = "",
    link: str = "",
) -> None:
    """Marks it as known: quiet until a time, until it doubles, or whichever comes first. Raises Stale."""

    def known(problem: Problem) -> dict[str, Any]:
        below = max(round(2 * rates_of(problem.pk).last), GROWING_FROM) if doubling else None
        return {"state": State.KNOWN, "quiet_until": until, "quiet_below": below, "note": note, "link": link}

    _change(problem_id, actor, StaffVerb.MARK_KNOWN, seen, known)


def mark_fixed(problem_id: int, actor: str, seen: datetime) -> None:
    """Marks it as fixed: it is back with the next letter that dies of it. Raises Stale."""
    _change(problem_id, actor, StaffVerb.MARK_FIXED, seen, lambda _: {"state": State.FIXED, **LOUD})


def ignore(problem_id: int, actor: str, seen: datetime, *, note: str = "") -> None:
    """Takes it out of the list of what needs a person, until somebody watches it again. Raises Stale."""
    _change(problem_id, actor, StaffVerb.IGNORE, seen, lambda _: {"state": State.IGNORED, "note": note, **LOUD})


def watch(problem_id: int, actor: str, seen: datetime) -> None:
    """Makes a known, fixed or ignored problem a new one. Raises Stale."""
    _change(problem_id, actor, StaffVerb.WATCH, seen, lambda _: {"state": State.NEW, **LOUD})


def annotate(problem_id: int, actor: str, seen: datetime, *, note: str, link: str) -> None:
    """Writes the note and the link. Raises Stale."""
    _change(problem_id, actor, StaffVerb.ANNOTATE, seen, lambda _: {"note": note, "link": link})


def target(problem_id: int) -> str:
    """Returns the name of a problem in the staff actions."""
    return f"problem {problem_id}"


def _change(
    problem_id: int,
    actor: str,
    verb: StaffVerb,
    seen: datetime,
    changes: Callable[[Problem], Mapping[str, Any]],
) -> None:
    with one_at_a_time():
        problem = Problem.objects.select_for_update(no_key=True).filter(pk=problem_id).first()
        if problem is None:
            raise Stale("It does not exist any more.")
        if problem.changed_at != seen:
            raise Stale(_who(problem))
        columns = changes(problem)
        expect(1, Problem.objects.filter(pk=problem_id).update(**columns, changed_at=clock()))
        write_actions(actor, verb, [(target(problem_id), None)], note=_in_words(problem, columns))


def _who(problem: Problem) -> str:
    action = last_actions([target(problem.pk)]).get(target(problem.pk))
    if action is None:
        return "It was changed meanwhile."
    return f"{action.actor} {StaffVerb(action.action).in_words} at {printed(action.at)}."


def _in_words(problem: Problem, columns: Mapping[str, Any]) -> str:
    """Returns what was changed, from what to what, for the record."""
    return "; ".join(
        f"{name.replace('_', ' ')}: {_shown(getattr(problem, name))} → {_shown(value)}"
        for name, value in columns.items()
        if getattr(problem, name) != value
    )


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return printed(value)
    text = str(value) if value not in (None, "") else "–"
    return text if len(text) <= 300 else f"{text[:300]}…"
