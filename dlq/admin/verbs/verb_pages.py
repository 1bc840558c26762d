"""The pages of replay, discard and mark as sent: GET asks, POST acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone

from dlq.admin.verbs import left_alone
from dlq.admin.verbs.forms import ExpiryForm, ReasonForm
from dlq.models import DeadLetter
from dlq.verbs import (
    MOST_SKIPPED,
    REPLAYABLE,
    Result,
    Skipped,
    discard,
    mark_sent,
    replay,
    replay_with_expiry,
    why_not_replayed,
    why_skipped,
)
from notifications.messages.words import Status
from notifications.models import Category
from project.desk.audit import MOST_AT_ONCE
from project.desk.base import ReadOnlyAdmin, confirmation

LIST = "admin:dlq_deadletter_changelist"
SENSITIVE_AND_EXPIRED = Q(
    notification__expires_at__lte=Now(),
    notification__category__in=Category.objects.filter(sensitive=True).values("name"),
)


@dataclass(frozen=True, slots=True)
class Verb:
    """What a page asks and does. `takes` chooses among open letters; `do` gets their ids, the actor and the form."""

    ask: str
    explain: str
    button: str
    done: str
    takes: Q
    do: Callable[[Sequence[int], str, dict[str, Any]], Result]
    form: type[forms.Form] | None = None
    danger: bool = False
    sends: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The letters that the verb can take, and why it skips the others.

    `needs_expiry` is about a replay: it has expired, and the form asks for a new expiry.
    """

    ids: list[int]
    skipped: list[Skipped]
    skipped_count: int
    needs_expiry: bool = False


VERBS = {
    "replay": Verb(
        ask="Replay {letters}?",
        explain="Sent again from the start, with all attempts anew, and due at once. An expiry to come stays.",
        button="Replay",
        done="replayed: due now, and sent within seconds",
        takes=Q(notification__status__in=REPLAYABLE) & ~SENSITIVE_AND_EXPIRED,
        do=lambda ids, actor, given: _replay(ids, actor, **given),
        sends=True,
    ),
    "discard": Verb(
        ask="Discard {letters}?",
        explain="Closed for good: never sent. A discarded letter cannot be replayed.",
        button="Discard",
        done="discarded",
        takes=Q(notification__status__in=REPLAYABLE) | Q(notification=None),
        do=lambda ids, actor, given: discard(ids, actor, given["reason"]),
        form=ReasonForm,
        danger=True,
    ),
    "mark-sent": Verb(
        ask="Did {letters} arrive?",
        explain="Do this when you know from the provider or the receiver that it arrived. It is not sent again.",
        button="It did arrive: mark as sent",
        done="marked as sent",
        takes=Q(notification__status=Status.HELD),
        do=lambda ids, actor, _: mark_sent(ids, actor),
    ),
}


def ask(
    desk: ReadOnlyAdmin[DeadLetter],
    request: HttpRequest,
    name: str,
    ids: Sequence[int],
    *,
    form: forms.Form | None = None,
    back: str = "",
    note: str = "",
) -> HttpResponse:
    """Returns the confirmation page of a verb for these letters."""
    verb, chosen = VERBS[name], choose(name, ids)
    if not chosen.ids:
        return _nothing_to_do(request, ids, chosen, back)
    letters = DeadLetter.objects.filter(pk__in=chosen.ids)
    one = letters.select_related("notification").first() if len(chosen.ids) == 1 else None
    sentences = [verb.explain, note, *_left_out(chosen), _duplicates(letters) if verb.sends else ""]
    return confirmation(
        desk,
        request,
        title=verb.ask.format(letters=_count(chosen.ids)),
        sentences=filter(None, sentences),
        facts=_facts_of_one(one) if one else _facts_of_many(letters),
        form=form or _form(verb, chosen),
        button=verb.button,
        danger=verb.danger,
        original=one,
        hidden={"ids": ",".join(map(str, chosen.ids)), "back": back},
        action=reverse("admin:dlq_deadletter_verb", args=[name]),
        cancel=_case(one.pk) if one else _list(back),
    )


def perform(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, name: str, ids: Sequence[int]) -> HttpResponse:
    """Carries the verb out, and shows what became of each letter. Asks again where the form is not filled in."""
    verb, back = VERBS[name], request.POST.get("back", "")
    form = _form(verb, choose(name, ids), request.POST)
    if not 1 <= len(ids) <= MOST_AT_ONCE or (form is not None and not form.is_valid()):
        return ask(desk, request, name, ids, form=form, back=back)
    tell(request, verb.do(ids, request.user.get_username(), form.cleaned_data if form else {}), verb.done)
    return HttpResponseRedirect(_case(ids[0]) if len(ids) == 1 else _list(back))


def choose(name: str, ids: Sequence[int]) -> Chosen:
    """Returns what the verb can take of these letters, with three queries; nothing of more than MOST_AT_ONCE."""
    if len(ids) > MOST_AT_ONCE:
        return Chosen([], [], 0)
    verb = VERBS[name]
    open_ones = DeadLetter.objects.filter(verb.takes, pk__in=ids, state=DeadLetter.State.OPEN).order_by("pk")
    found = dict(open_ones.values_list("pk", "notification__expires_at"))
    now = timezone.now()
    expired = verb.sends and any(expires_at and expires_at <= now for expires_at in found.values())
    left = [pk for pk in ids if pk not in found]
    why = why_not_replayed() if verb.sends and left else None
    return Chosen(list(found), why_skipped(left[:MOST_SKIPPED], why=why) if left else [], len(left), expired)


def tell(request: HttpRequest, result: Result, done: str) -> None:
    """Shows what was done, and in one message what was left alone."""
    if result.done:
        messages.success(request, f"{_count(result.done).capitalize()} {done}.")
    if result.skipped_count:
        messages.warning(request, left_alone.message(result.skipped, result.skipped_count))


def _left_out(chosen: Chosen) -> Iterator[str]:
    if chosen.needs_expiry:
        yield "It has expired: whoever sent it did not want it sent any more by now. The new expiry is recorded."
    if chosen.skipped_count:
        yield left_alone.summary(chosen.skipped, chosen.skipped_count)


def _nothing_to_do(request: HttpRequest, ids: Sequence[int], chosen: Chosen, back: str) -> HttpResponse:
    """Returns to the list, which shows why the verb can take none of these letters."""
    if not ids:
        messages.error(request, "No dead letter is chosen.")
    elif len(ids) > MOST_AT_ONCE:
        messages.error(request, f"Choose at most {MOST_AT_ONCE:,} dead letters at once.")
    for sentence in _left_out(chosen):
        messages.warning(request, sentence)
    return HttpResponseRedirect(_list(back))


def _form(verb: Verb, chosen: Chosen, data: Any = None) -> forms.Form | None:
    kind = ExpiryForm if verb.sends and chosen.needs_expiry else verb.form
    return kind(data) if kind else None


def _replay(ids: Sequence[int], actor: str, *, never: bool = False, expires_at: datetime | None = None) -> Result:
    if never or expires_at:
        return replay_with_expiry(ids[0], actor, expires_at)
    return replay(ids, actor)


def _count(ids: Sequence[int]) -> str:
    return f"dead letter {ids[0]}" if len(ids) == 1 else f"{len(ids):,} dead letters"


def _duplicates(letters: Any) -> str:
    count = letters.filter(notification__uncertain_count__gt=0).count()
    return f"{count:,} of these may have arrived already: replayed, the receiver may get it twice." if count else ""


def _facts_of_one(letter: DeadLetter) -> list[tuple[str, str]]:
    receiver = letter.notification.masked_receiver if letter.notification else "not readable"
    return [("State", letter.state), ("Channel", letter.channel), ("Receiver", receiver), ("Cause", letter.cause)]


def _facts_of_many(letters: Any) -> list[tuple[str, str]]:
    by_cause = letters.order_by("channel", "cause").values_list("channel", "cause").annotate(count=Count("pk"))
    return [(f"{channel} {cause}".strip(), f"{count:,}") for channel, cause, count in by_cause]


def _case(letter_id: int) -> str:
    return reverse("admin:dlq_deadletter_change", args=[letter_id])


def _list(back: str) -> str:
    """Returns the address of the list, with the filters from which the person came."""
    query = QueryDict(back).urlencode()
    return reverse(LIST) + (f"?{query}" if query else "")
