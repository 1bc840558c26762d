"""The page of one problem: what it means, what helps, its letters, and what staff do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from dlq.admin.finding.hits import sees_letters
from dlq.admin.lists.letter_list import READ
from dlq.admin.mending.did_you_mean import may_mend, mistyped_in
from dlq.admin.problems import problem_shown as shown
from dlq.admin.problems.problem_forms import IgnoreForm, KnownForm, NoteForm, ProblemForm
from dlq.models import DeadLetter, Problem, Run
from dlq.problems import verbs as problem_verbs
from dlq.problems.assigning import hour_of
from dlq.problems.counts import ONE_HOUR, Rates
from dlq.problems.verbs import Stale, target
from dlq.story.explanations import explain
from notifications.channels.outcomes import Cause
from notifications.messages.words import StaffVerb
from notifications.models import Notification, StaffAction
from project.desk import cells
from project.desk.audit import printed
from project.desk.base import ReadOnlyAdmin, confirmation
from project.desk.marks import mark_when_rendered
from project.desk.rights import Right, may, may_any
from project.desk.sight import Sight, sight_of

HOURS = 7 * 24
LETTERS = 20
ACTIONS = 20
RUNS = 10
LIST = "admin:dlq_problem_changelist"
LONGEST_NUMBER = 18  # digits of a bigint that surely fits
State = Problem.State
NOBODY_THERE = (Cause.UNKNOWN_RECEIVER, Cause.INVALID_RECEIVER)  # what a mistyped address dies of


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of a problem: what its page asks and explains, and what is shown once it is done."""

    button: str
    explain: str
    done: str
    do: Callable[[int, str, datetime, Mapping[str, Any]], None]
    allowed: Callable[[Problem, str], bool]
    form: type[ProblemForm] | None = None


def _watched(problem: Problem, _: str) -> bool:
    return problem.state in (State.NEW, State.BACK)


VERBS = {
    "take": Verb(
        "Take it",
        "Others see that you are on it.",
        "You are on it.",
        lambda pk, actor, seen, _: problem_verbs.take(pk, actor, seen),
        lambda problem, actor: problem.owner != actor,
    ),
    "leave": Verb(
        "Give it back",
        "Nobody is on it then.",
        "Nobody is on it any more.",
        lambda pk, actor, seen, _: problem_verbs.leave(pk, actor, seen),
        lambda problem, actor: problem.owner == actor,
    ),
    "known": Verb(
        "Known …",
        "A known problem is not in the list of what needs somebody, for as long as it is quiet. Its letters stay open.",
        "It is known.",
        lambda pk, actor, seen, typed: problem_verbs.mark_known(pk, actor, seen, **typed),
        lambda problem, _: problem.state != State.IGNORED,
        KnownForm,
    ),
    "fixed": Verb(
        "Fixed",
        "With the next letter that dies of it, it is back. Its open letters stay open: replay or discard them.",
        "It is fixed.",
        lambda pk, actor, seen, _: problem_verbs.mark_fixed(pk, actor, seen),
        lambda problem, _: problem.state not in (State.FIXED, State.IGNORED),
    ),
    "ignore": Verb(
        "Ignore …",
        "It leaves the list of what needs somebody, however many letters die of it, until somebody watches it again.",
        "It is ignored.",
        lambda pk, actor, seen, typed: problem_verbs.ignore(pk, actor, seen, **typed),
        lambda problem, _: problem.state != State.IGNORED,
        IgnoreForm,
    ),
    "watch": Verb(
        "Watch it again",
        "It is a new problem again, and in the list of what needs somebody.",
        "It is watched again.",
        lambda pk, actor, seen, _: problem_verbs.watch(pk, actor, seen),
        lambda problem, actor: not _watched(problem, actor),
    ),
    "note": Verb(
        "Note and link …",
        "For whoever looks at it next.",
        "The note is kept.",
        lambda pk, actor, seen, typed: problem_verbs.annotate(pk, actor, seen, **typed),
        lambda *_: True,
        NoteForm,
    ),
}


def show(desk: ReadOnlyAdmin[Problem], request: HttpRequest, object_id: str) -> HttpResponse:
    """Returns the page of one problem, or the list where there is none of this number. Raises PermissionDenied."""
    if request.method == "POST" or not desk.has_view_permission(request):
        raise PermissionDenied
    known = object_id.isascii() and object_id.isdigit() and len(object_id) <= LONGEST_NUMBER
    problem = Problem.objects.filter(pk=int(object_id)).first() if known else None
    if problem is None:
        messages.warning(request, f"There is no problem {object_id[:20]}.")
        return HttpResponseRedirect(reverse(LIST))
    sees = sees_letters(request)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "original": problem,
        "title": f"{shown.title(problem)}: {shown.way(problem)}",
        **_context(problem, request.user.get_username(), sight_of(request), may_act=desk.has_act_permission(request)),
        "sees_letters": sees,
        "letters": _letters(problem, sight_of(request)) if sees else [],
        "may_replay": sees and may_any(request, (Right.REPLAY, Right.REPLAY_MANY)),
        "may_mend": may_mend(request),
        "mistyped": mistyped_in(request, problem.pk) if problem.cause in NOBODY_THERE else [],
        "may_discard": sees and may(request, Right.DISCARD),
        "runs": _runs(problem, sight_of(request)) if sees else [],
    }
    return mark_when_rendered(TemplateResponse(request, "dlq/problem.html", context))


def verb(desk: ReadOnlyAdmin[Problem], request: HttpRequest, problem_id: int, name: str) -> HttpResponse:
    """GET asks, POST does. Raises Http404 for another verb, PermissionDenied."""
    if name not in VERBS:
        raise Http404
    if not desk.has_act_permission(request):
        raise PermissionDenied
    problem = Problem.objects.filter(pk=problem_id).first()
    if problem is None:
        messages.warning(request, f"There is no problem {problem_id}.")
        return HttpResponseRedirect(reverse(LIST))
    verb = VERBS[name]
    form = verb.form(problem, request.POST if request.method == "POST" else None) if verb.form else None
    if request.method != "POST" or (form is not None and not form.is_valid()):
        return _ask(desk, request, problem, verb, form)
    try:
        verb.do(problem_id, request.user.get_username(), _seen(request), form.cleaned_data if form else {})
    except Stale as stale:
        return _ask(desk, request, problem, verb, form, stale=str(stale))
    messages.success(request, verb.done)
    return HttpResponseRedirect(_page(problem_id))


def _ask(
    desk: ReadOnlyAdmin[Problem],
    request: HttpRequest,
    problem: Problem,
    verb: Verb,
    form: ProblemForm | None,
    *,
    stale: str = "",
) -> HttpResponse:
    """Returns the question of a verb. After somebody else's change it has what was typed, and shows the change."""
    facts = [("State", shown.state(problem)), ("Who is on it", problem.owner or "nobody")]
    if problem.note and (stale or verb.form is None):
        facts.append(("Note", problem.note))
    if problem.link and (stale or verb.form is None):
        facts.append(("Link", problem.link))
    changed = f"Somebody else was first. {stale} Below is how it stands now, and what you typed." if stale else ""
    return confirmation(
        desk,
        request,
        title=f"{verb.button.removesuffix(' …')}: {shown.title(problem)}, {shown.way(problem)}",
        sentences=filter(None, (changed, verb.explain)),
        facts=facts,
        form=form,
        button=verb.button.removesuffix(" …"),
        hidden={"seen": problem.changed_at.isoformat()},
        original=problem,
        cancel=_page(problem.pk),
    )


def _seen(request: HttpRequest) -> datetime:
    """Returns when the problem that the person saw was changed last. Raises Stale for what is no such time."""
    try:
        seen = datetime.fromisoformat(request.POST.get("seen", ""))
    except ValueError:
        raise Stale("This page was too old.") from None
    return seen if seen.tzinfo else timezone.make_aware(seen)


def _context(problem: Problem, actor: str, sight: Sight, *, may_act: bool) -> dict[str, Any]:
    now = timezone.now()
    since = hour_of(now) - (HOURS - 1) * ONE_HOUR
    hours = dict(problem.hours.filter(hour__gte=since).values_list("hour", "deaths"))
    allowed = {name: verb for name, verb in VERBS.items() if may_act and verb.allowed(problem, actor)}
    return {
        "problem": problem,
        "problem_number": str(problem.pk),
        "state": shown.state(problem),
        "colour": shown.STATE_COLOURS.get(shown.state(problem), ""),
        "standing": shown.standing(problem),
        "note": sight.answer(problem.note),
        "explanation": explain(problem.cause),
        "rates": shown.rates_in_words(Rates.of(hours, now)),
        "bars": shown.Bars.of(hours, now, HOURS),
        "facts": _facts(problem),
        "actions": [(printed(action.at), _what(action), sight.answer(action.note)) for action in _actions(problem)],
        "seen": problem.changed_at.isoformat(),
        "at_once": [(name, verb) for name, verb in allowed.items() if verb.form is None],
        "asked": [(name, verb) for name, verb in allowed.items() if verb.form is not None],
        "may_act": may_act,
    }


def _facts(problem: Problem) -> list[tuple[str, str]]:
    return [
        ("Open letters", f"{problem.open_letters:,}"),
        ("Receivers of these", shown.receivers(problem)),
        ("Letters ever", f"{problem.deaths:,}"),
        ("First seen", cells.age(problem.first_seen)),
        ("Last seen", cells.age(problem.last_seen)),
        ("Who is on it", problem.owner or "nobody"),
    ]


def _letters(problem: Problem, sight: Sight) -> list[dict[str, Any]]:
    """Returns the newest open letters, with as much of them as this person may see.

    By a range of one problem, PostgreSQL cannot but use the index of problems. Asked for one problem it may walk back
    over all letters, and those of an old problem are far away.
    """
    letters = DeadLetter.objects.filter(problem_id__gte=problem.pk, problem_id__lte=problem.pk)
    newest = letters.filter(state=DeadLetter.State.OPEN).order_by("-problem_id", "-pk").defer("raw")[:LETTERS]
    ids = [letter.notification_id for letter in newest if letter.notification_id]
    rows = cells.with_beginning(Notification.objects.filter(pk__in=ids).only(*READ), sight).in_bulk()
    return [
        {
            "id": letter.pk,
            "seen": cells.seen(rows[letter.notification_id], sight, letter.error)
            if letter.notification_id in rows
            else cells.unread(letter.error),
            "died": cells.age(letter.died_at),
            "times": f"died {letter.deaths} times" if letter.deaths > 1 else "",
        }
        for letter in newest
    ]


def _runs(problem: Problem, sight: Sight) -> list[tuple[int, str, str]]:
    """Returns the newest runs over this problem: number, what became of it, why."""
    newest = Run.objects.filter(selection__problem=problem.pk).order_by("-pk")[:RUNS]
    return [(run.pk, _what_became_of(run), sight.answer(run.reason)) for run in newest]


def _what_became_of(run: Run) -> str:
    asked = f"{run.get_state_display()}, asked for by {run.actor} at {printed(run.created_at)}"
    return f"{asked}: {run.sent:,} of {run.going or run.asked:,} sent, {run.died_again:,} died again"


def _actions(problem: Problem) -> list[StaffAction]:
    return list(StaffAction.objects.filter(target=target(problem.pk)).order_by("-id")[:ACTIONS])


def _what(action: StaffAction) -> str:
    return f"{action.actor} {StaffVerb(action.action).in_words}"


def _page(problem_id: int) -> str:
    return reverse("admin:dlq_problem_change", args=[problem_id])
