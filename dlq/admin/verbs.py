"""Replay, discard and mark as sent as pages: GET asks, POST does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from dlq.admin.forms import ReasonForm
from dlq.models import DeadLetter
from dlq.replay import Result, discard, mark_sent, replay
from notifications.admin.base import ReadOnlyAdmin, confirmation
from notifications.staff import MOST_AT_ONCE

LIST = "admin:dlq_deadletter_changelist"


@dataclass(frozen=True, slots=True)
class Verb:
    """What a page asks and does. `do` takes the letters' ids, the actor and the form's fields."""

    ask: str
    explain: str
    button: str
    done: str
    do: Callable[[Sequence[int], str, dict[str, Any]], Result]
    form: type[forms.Form] | None = None
    danger: bool = False
    may_duplicate: bool = False


VERBS = {
    "replay": Verb(
        ask="Replay {letters}?",
        explain="Sent again from the start, with all attempts anew, and due at once. An expiry is lifted.",
        button="Replay",
        done="replayed: due now, and sent within seconds",
        do=lambda ids, actor, _: replay(ids, actor),
        may_duplicate=True,
    ),
    "discard": Verb(
        ask="Discard {letters}?",
        explain="Closed for good: never sent. A discarded letter cannot be replayed.",
        button="Discard",
        done="discarded",
        do=lambda ids, actor, said: discard(ids, actor, said["reason"]),
        form=ReasonForm,
        danger=True,
    ),
    "mark-sent": Verb(
        ask="Did {letters} arrive?",
        explain="Do this when you know from the provider or the receiver that it arrived. It is not sent again.",
        button="It did arrive: mark as sent",
        done="marked as sent",
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
    """The confirmation page of a verb for these letters. Changes nothing."""
    verb = VERBS[name]
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        messages.error(request, f"Choose 1 to {MOST_AT_ONCE:,} dead letters.")
        return HttpResponseRedirect(_list(back))
    letters = DeadLetter.objects.filter(pk__in=ids)
    sentences = [verb.explain, note, _duplicates(letters) if verb.may_duplicate else ""]
    return confirmation(
        desk,
        request,
        title=verb.ask.format(letters=_count(ids)),
        sentences=filter(None, sentences),
        facts=_facts_of_one(letters) if len(ids) == 1 else _facts_of_many(letters),
        form=form or (verb.form() if verb.form else None),
        button=verb.button,
        danger=verb.danger,
        original=letters.first() if len(ids) == 1 else None,
        hidden={"ids": ",".join(map(str, ids)), "back": back},
        action=reverse("admin:dlq_deadletter_verb", args=[name]),
        cancel=_case(ids[0]) if len(ids) == 1 else _list(back),
    )


def perform(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, name: str, ids: Sequence[int]) -> HttpResponse:
    """Do it, and say what happened to which letter. Asks again where the form is not filled in."""
    verb, back = VERBS[name], request.POST.get("back", "")
    form = verb.form(request.POST) if verb.form else None
    if not 1 <= len(ids) <= MOST_AT_ONCE or (form is not None and not form.is_valid()):
        return ask(desk, request, name, ids, form=form, back=back)
    tell(request, verb.do(ids, request.user.get_username(), form.cleaned_data if form else {}), verb.done)
    return HttpResponseRedirect(_case(ids[0]) if len(ids) == 1 else _list(back))


def tell(request: HttpRequest, result: Result, done: str) -> None:
    """Messages about what was done, and about each letter that was not."""
    if result.done:
        messages.success(request, f"{_count(result.done).capitalize()} {done}.")
    for refusal in result.refused:
        messages.warning(request, str(refusal))
    if more := result.refused_count - len(result.refused):
        messages.warning(request, f"{more:,} more were left alone: somebody was first, or they are not open.")


def _count(ids: Sequence[int]) -> str:
    return f"dead letter {ids[0]}" if len(ids) == 1 else f"{len(ids):,} dead letters"


def _duplicates(letters: Any) -> str:
    count = letters.filter(notification__uncertain_count__gt=0).count()
    return f"{count:,} of these may have arrived already: replayed, the receiver may get it twice." if count else ""


def _facts_of_one(letters: Any) -> list[tuple[str, str]]:
    letter = letters.select_related("notification").first()
    if letter is None:
        return []
    receiver = letter.notification.masked_receiver if letter.notification else "not readable"
    return [("State", letter.state), ("Channel", letter.channel), ("Receiver", receiver), ("Cause", letter.cause)]


def _facts_of_many(letters: Any) -> list[tuple[str, str]]:
    by_cause = letters.order_by("channel", "cause").values_list("channel", "cause").annotate(count=Count("pk"))
    return [(f"{channel} {cause}".strip(), f"{count:,}") for channel, cause, count in by_cause]


def _case(letter_id: int) -> str:
    return reverse("admin:dlq_deadletter_change", args=[letter_id])


def _list(back: str) -> str:
    """The list, with the filters the person came from."""
    query = QueryDict(back).urlencode()
    return reverse(LIST) + (f"?{query}" if query else "")
