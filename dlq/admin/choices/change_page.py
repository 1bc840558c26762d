"""The pages on which staff change what a person chose: GET asks, POST changes, only for a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dlq.admin.choices.change_forms import ChangeForm, ChoiceForm, QuietForm
from notifications.messages.explain import Invalid
from project.desk.audit import printed
from project.desk.base import confirmation
from project.desk.links import person_url
from project.desk.rights import Right, need
from project.desk.sight import sight_of
from users.people.models import User
from users.recipients import preferences
from users.recipients.person import Preferences, cell
from users.recipients.preferences import ALL_OFF, Changes, in_words
from users.recipients.staff_choices import change_by_staff

CHOICES = {"on": True, "off": False, "default": None}


@dataclass(frozen=True, slots=True)
class Verb:
    """A change: what its page asks and explains, what it does with the form, and for whom there is something to do."""

    button: str
    explain: str
    changes: Callable[[Mapping[str, Any]], Changes]
    form: type[ChangeForm] = ChangeForm
    allowed: Callable[[Preferences, datetime], bool] = lambda *_: True


def _choice(given: Mapping[str, Any]) -> Changes:
    return Changes(choices={cell(given["category"], given["channel"]): CHOICES[given["choice"]]})


def _is_paused(chosen: Preferences, now: datetime) -> bool:
    return chosen.paused_until is not None and chosen.paused_until > now


VERBS = {
    "choice": Verb(
        "Switch on or off …",
        "The narrowest choice counts: category and channel, then the category, then the channel.",
        _choice,
        ChoiceForm,
    ),
    "quiet": Verb(
        "Quiet hours …",
        "What comes in between waits until they are over, but for mandatory categories.",
        lambda given: Changes(quiet=given["quiet"]),
        QuietForm,
    ),
    "end-pause": Verb(
        "End the pause …",
        "What comes from now on goes at once. What waits already goes at its time, or when somebody tries it now.",
        lambda _: Changes(paused_until=None),
        allowed=_is_paused,
    ),
    "all-off": Verb(
        "Everything off …",
        "Nothing but mandatory categories is sent to them. It beats every choice that they made before.",
        lambda _: Changes(all_off=True),
    ),
    "all-on": Verb(
        "Everything no longer off …",
        "What they chose before counts again, and for all else what its category does by default.",
        lambda _: Changes(all_off=False),
        allowed=lambda chosen, _: chosen.all_off_at is not None,
    ),
}


def change_view(request: HttpRequest, key: int, name: str) -> HttpResponse:
    """GET asks, POST changes it. Raises Http404 for another verb, PermissionDenied."""
    if name not in VERBS:
        raise Http404
    need(request, Right.SET_CHOICES)
    if not admin.site.get_model_admin(User).has_view_permission(request):
        raise PermissionDenied
    user = User.objects.filter(pk=key).first()
    if user is None:
        messages.warning(request, "This person is not in the directory any more.")
        return HttpResponseRedirect(reverse("admin:desk_find"))
    verb, chosen = VERBS[name], preferences.of(user.username)
    form = verb.form(chosen, request.POST if request.method == "POST" else None, request.GET.dict())
    if request.method == "POST" and form.is_valid() and _carry_out(request, user, verb, form):
        return HttpResponseRedirect(person_url(user.username, key=user.pk))
    return _ask(request, user, verb, chosen, form)


def _carry_out(request: HttpRequest, user: User, verb: Verb, form: ChangeForm) -> bool:
    """Returns whether it could be changed; what is wrong stands in the form then."""
    given = form.cleaned_data
    about = {"actor": request.user.get_username(), "reason": given["reason"]}
    try:
        found = change_by_staff(user.username, verb.changes(given), **about)
    except Invalid as error:
        form.add_error(None, [each for some in error.errors.values() for each in some])
        return False
    for what, before, after in found:
        messages.success(request, f"{what}: {before or 'nothing'} → {after or 'nothing'}.")
    if not found:
        messages.warning(request, "Nothing was changed: it is so already.")
    return True


def _ask(request: HttpRequest, user: User, verb: Verb, chosen: Preferences, form: ChangeForm) -> HttpResponse:
    words = verb.button.removesuffix(" …")
    return confirmation(
        admin.site.get_model_admin(User),
        request,
        title=f"{words}: {sight_of(request).person(user.username)}",
        sentences=[verb.explain],
        facts=[
            ("Name", user.name or "–"),
            ("Quiet hours", in_words(chosen.quiet) or "none"),
            ("Paused until", printed(chosen.paused_until)),
            (ALL_OFF.capitalize(), printed(chosen.all_off_at, none="no")),
        ],
        form=form,
        button=words,
        cancel=person_url(user.username, key=user.pk),
    )
