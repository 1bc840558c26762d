"""The question before a run: a dry run in numbers, a checkbox for each group, and what becomes of the rest."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dlq.admin.choosing import selecting
from dlq.runs import steering as runs
from dlq.runs.groups import FRESH, MOST_IN_A_RUN, NEVER, Dry, Trait, dry_run
from dlq.runs.steering import Asked, NotBegun
from dlq.selection import Selection
from notifications.channels.outcomes import Cause
from notifications.messages.words import BreakerState
from notifications.models import BreakerEvent
from project.desk.audit import LONGEST_TEXT, printed
from project.desk.base import ReadOnlyAdmin
from project.desk.form_fields import FutureField
from project.desk.rights import most_replayed
from project.desk.unfold import Textarea

LIST = "admin:dlq_deadletter_changelist"
GROUPS = (FRESH, *(trait.word for trait in Trait))
BY_DEFAULT = (FRESH, *(trait.word for trait in Trait if trait.by_default))
FRESH_IN_WORDS = "Nothing speaks against sending them again."
FASTEST = "fastest"
NEWEST_EVENTS = 200  # of breakers, which say what is out of order now


@dataclass(frozen=True, slots=True)
class Group:
    """A line of the question. `also` are further traits of some of its letters; `show` leads to the list of them."""

    word: str
    title: str
    explain: str
    letters: int
    bit: int
    ticked: bool
    also: str
    show: str


class RunForm(forms.Form):
    """What a person answers. It knows the dry run, for its checks are about numbers of letters."""

    take = forms.MultipleChoiceField(choices=[(word, word) for word in GROUPS], required=False)
    expires_at = FutureField(label="The new expiry", help_text="For what has expired: after it, these are not sent.")
    rate = forms.ChoiceField(
        choices=[("5", "5 a second"), ("50", "50 a second"), ("500", "500 a second"), (FASTEST, "as fast as it goes")],
        initial=str(runs.RATE),
    )
    reason = forms.CharField(
        max_length=LONGEST_TEXT,
        required=False,
        widget=Textarea({"rows": 3}),
        label="Why are they sent again?",
        help_text="Kept with the run, under your name.",
    )

    def __init__(self, dry: Dry, at_most: int, data: Any = None) -> None:
        super().__init__(data, initial={"take": BY_DEFAULT})
        self._dry = dry
        self._at_most = at_most

    @property
    def ticked(self) -> Sequence[str]:
        return list(self["take"].value() or ()) if self.is_bound else BY_DEFAULT

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        take = cleaned.get("take", [])
        going = self._dry.going(take)
        if not going:
            self.add_error(None, "Tick at least one group of letters that can be sent.")
        if going > self._at_most:
            may = f"You may send {self._at_most:,} letters again at once, and these are {going:,}."
            self.add_error(None, f"{may} Ask somebody who may replay many.")
        if going > 1 and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Say why these letters are sent again.")
        renews = Trait.EXPIRED.word in take and self._dry.first(Trait.EXPIRED)
        if renews and not cleaned.get("expires_at") and "expires_at" not in self.errors:
            self.add_error("expires_at", "Type the new expiry, or leave the expired ones out.")
        return cleaned


def ask(desk: ReadOnlyAdmin[Any], request: HttpRequest, selection: Selection) -> HttpResponse:
    """Returns the question about these letters; the short page of a letter where it is one alone."""
    dry = dry_run(selection)
    if dry.total == 0:
        messages.warning(request, "No letter matches any more.")
        return HttpResponseRedirect(list_of(selection))
    if dry.total == 1:
        one = selection.rows().values_list("pk", flat=True).first()
        return HttpResponseRedirect(f"{reverse('admin:dlq_deadletter_verb', args=['replay'])}?ids={one}")
    fixed = msgspec.structs.replace(selection, up_to=dry.last)
    return _page(desk, request, fixed, dry, RunForm(dry, _at_most(request)))


def begin(desk: ReadOnlyAdmin[Any], request: HttpRequest, selection: Selection) -> HttpResponse:
    """Begins the run that was asked for, and leads to its page. Asks again where the answer is not complete."""
    dry = dry_run(selection)
    form = RunForm(dry, _at_most(request), request.POST)
    if not form.is_valid():
        return _page(desk, request, selection, dry, form)
    given = form.cleaned_data
    asked = Asked(
        selection=selection,
        ticked=given["take"],
        reason=given["reason"],
        question=request.POST.get("question", "")[:32] or None,
        expires_at=given["expires_at"],
        per_second=None if given["rate"] == FASTEST else int(given["rate"]),
        at_most=_at_most(request),
    )
    try:
        run = runs.begin(asked, request.user.get_username())
    except NotBegun as why:
        form.add_error(None, str(why))
        return _page(desk, request, selection, dry, form)
    return HttpResponseRedirect(reverse("admin:dlq_run_change", args=[run.pk]))


def list_of(selection: Selection, **also: str) -> str:
    """Returns the address of the list of these letters."""
    query = selecting.query_of(selection, **also)
    return reverse(LIST) + (f"?{query}" if query else "")


def _page(
    desk: ReadOnlyAdmin[Any], request: HttpRequest, selection: Selection, dry: Dry, form: RunForm
) -> TemplateResponse:
    never = [(NEVER[word], count) for word in NEVER if (count := dry.never[word])]
    asker = request.user.get_username()
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": f"Send {dry.total:,} letters again?",
        "which": selecting.in_words(selection),
        "groups": list(_groups(selection, dry, form.ticked)),
        "never": never,
        "going": dry.going(form.ticked),
        "kinds": json.dumps({str(bits): count for bits, count in dry.by_traits.items()}),
        "can_go": dry.going(GROUPS) > 0,
        "more": MOST_IN_A_RUN if dry.more else 0,
        "troubles": list(_troubles(selection)),
        "approval": settings.DESK_APPROVAL_ABOVE if runs.needs_approval(dry.going(GROUPS), asker) else 0,
        "too_many": _at_most(request) if not form.is_bound and dry.going(form.ticked) > _at_most(request) else 0,
        "form": form,
        "selection": selecting.signed(selection),
        "question": request.POST.get("question") or secrets.token_hex(16),
        "cancel": list_of(selection),
    }
    request.current_app = desk.admin_site.name
    return TemplateResponse(request, "dlq/run_question.html", context)


def _groups(selection: Selection, dry: Dry, ticked: Sequence[str]) -> Iterator[Group]:
    if dry.fresh:
        yield Group(FRESH, "Fresh", FRESH_IN_WORDS, dry.fresh, 0, FRESH in ticked, "", "")
    for trait in Trait:
        if any(bits & trait.bit for bits in dry.by_traits):
            letters = dry.first(trait)
            also = ", ".join(f"{count:,}: {other.title.lower()}" for other, count in dry.others(trait))
            show = _shown(selection, trait)
            yield Group(trait.word, trait.title, trait.explain, letters, trait.bit, trait.word in ticked, also, show)


def _shown(selection: Selection, trait: Trait) -> str:
    """Returns the list of the letters with this trait; "" where no filter of the list has them alone."""
    rest = {"expired": "no", "uncertain": "no"}
    filters: dict[Trait, dict[str, str]] = {
        Trait.EXPIRED: {"expired": "yes"},
        Trait.UNCERTAIN: {"expired": "no", "uncertain": "yes"},
        Trait.OPTED_OUT: {"cause": Cause.OPTED_OUT.value, **rest},
        Trait.REPEATED: {"again": "same", **rest},
    }
    if trait not in filters or selection.term or selection.ids:
        return ""
    return list_of(selection, **filters[trait])


def _troubles(selection: Selection) -> Iterator[str]:
    """Yields what is out of order now on the channels of these letters: what is sent there waits."""
    newest: dict[tuple[str, str], BreakerEvent] = {}
    for event in BreakerEvent.objects.order_by("-pk")[:NEWEST_EVENTS]:
        if selection.channel in ("", event.channel):
            newest.setdefault((event.channel, event.provider), event)
    for event in [event for event in newest.values() if event.state == BreakerState.OPEN]:
        yield f"{event.channel} over {event.provider} is out of order since {printed(event.at)}: these would wait."


def _at_most(request: HttpRequest) -> int:
    return most_replayed(request, MOST_IN_A_RUN)
