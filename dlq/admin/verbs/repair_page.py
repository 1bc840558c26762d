"""The pages that correct a dead letter's notification before its replay, or a record that could not be read.

The receiver and the texts are corrected on two pages, so that whoever corrects an address does not touch the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dlq.admin.verbs.repair_forms import TEXTS as TEXT_FIELDS
from dlq.admin.verbs.repair_forms import CorrectionForm, RawForm, ReceiverForm, TextsForm, add_errors
from dlq.admin.verbs.verb_pages import LIST, tell
from dlq.models import DeadLetter
from dlq.repair import NotRepaired, is_sensitive, repair, repair_unreadable
from dlq.verbs import Result, has_expired, replay, replay_with_expiry
from notifications.intake.refused import Conflict, Refused
from notifications.messages.explain import Invalid, Unavailable
from notifications.models import Notification
from project.desk.base import ReadOnlyAdmin, confirmation
from project.desk.rights import Right, may, need
from project.desk.sight import sight_of


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of corrections asks for."""

    title: str
    sentence: str
    rights: tuple[Right, ...]


RECEIVER = Page(
    "Change the receiver of dead letter {}",
    "The record keeps both receivers, masked. The old one still finds this letter.",
    (Right.REDIRECT,),
)
TEXTS = Page(
    "Edit the text of dead letter {}",
    "What you change here is what will be sent. The names of the fields you change are kept, not the texts.",
    (Right.EDIT_CONTENT, Right.SEE_CONTENT),
)


def redirect_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter_id: int) -> HttpResponse:
    """Shows the form of the receiver for GET; corrects, and replays where asked, for POST. Raises PermissionDenied."""
    need(request, *RECEIVER.rights)
    letter = _letter(letter_id)
    if letter is None or letter.notification is None:
        return _there_is_none(request, letter_id)
    return _notification_page(desk, request, letter, letter.notification, RECEIVER)


def repair_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter_id: int) -> HttpResponse:
    """Does the same for the texts, or for a record that could not be read. Raises PermissionDenied."""
    need(request, Right.EDIT_CONTENT)
    letter = _letter(letter_id)
    if letter is None:
        return _there_is_none(request, letter_id)
    if letter.notification is None:
        return _raw_page(desk, request, letter)
    need(request, *TEXTS.rights)
    return _notification_page(desk, request, letter, letter.notification, TEXTS)


def _letter(letter_id: int) -> DeadLetter | None:
    return DeadLetter.objects.select_related("notification").filter(pk=letter_id).first()


def _there_is_none(request: HttpRequest, letter_id: int) -> HttpResponse:
    messages.warning(request, f"There is no dead letter {letter_id} that this can correct.")
    return HttpResponseRedirect(reverse(LIST))


def _notification_page(
    desk: ReadOnlyAdmin[DeadLetter],
    request: HttpRequest,
    letter: DeadLetter,
    notification: Notification,
    page: Page,
) -> HttpResponse:
    if is_sensitive(notification):
        messages.warning(request, f"{notification.category} is sensitive: nobody may change receiver or text.")
        return HttpResponseRedirect(_case(letter))
    form = _form(page, request, letter)
    if request.method == "POST" and form.is_valid():
        if form.replays:
            need(request, Right.REPLAY)
        if _corrected(request, letter, form):
            return HttpResponseRedirect(_case(letter))
    replays = may(request, Right.REPLAY)
    return confirmation(
        desk,
        request,
        title=page.title.format(letter.pk),
        sentences=[page.sentence],
        facts=_facts(request, letter.notification or notification, form),
        form=form,
        button="Save and replay" if replays else "Save",
        also="Save only" if replays else "",
        confirm="yes" if replays else "also",
        original=letter,
        cancel=_case(letter),
    )


def _facts(request: HttpRequest, notification: Notification, form: CorrectionForm) -> list[tuple[str, str]]:
    """Returns what the notification has now: after a refusal also the texts, which another person may have changed."""
    sight = sight_of(request)
    facts = [("Receiver now", sight.receiver(notification)), ("Person", sight.person(notification.user))]
    if form.is_bound and isinstance(form, TextsForm):
        facts += [
            (f"{name} now".capitalize(), getattr(notification, name)) for name in TEXT_FIELDS if name in form.fields
        ]
    return [(name, value) for name, value in facts if value]


def _form(page: Page, request: HttpRequest, letter: DeadLetter) -> CorrectionForm:
    data = request.POST if request.method == "POST" else None
    if page is TEXTS:
        return TextsForm(letter, data, expired=has_expired(letter))
    whole, suggested = may(request, Right.SEE_RECEIVER), "suggested" in request.GET
    return ReceiverForm(letter, data, whole=whole, expired=has_expired(letter), suggested=suggested)


def _corrected(request: HttpRequest, letter: DeadLetter, form: CorrectionForm) -> bool:
    actor, given = request.user.get_username(), form.cleaned_data
    result = Result()
    try:
        with transaction.atomic():
            as_seen = {"generation": given["generation"], "seen": given["seen"]}
            changed = repair(letter.pk, actor, form.changes(), **as_seen, reason=given["reason"])
            if form.replays and "expires_at" in given:
                result = replay_with_expiry(letter.pk, actor, given["expires_at"])
            elif form.replays:
                result = replay([letter.pk], actor)
    except Invalid as invalid:
        add_errors(form, invalid.errors)
        return False
    except NotRepaired as error:
        _keep_what_was_typed(form, letter, error)
        return False
    messages.success(request, f"Changed: {', '.join(changed)}." if changed else "Nothing was changed.")
    tell(request, result, "replayed: due now, and sent within seconds")
    return True


def _keep_what_was_typed(form: CorrectionForm, letter: DeadLetter, error: NotRepaired) -> None:
    """Reads the letter anew, for the page to show it beside what was typed, and to be saved again after a look."""
    letter.refresh_from_db()
    if letter.notification is not None:
        letter.notification.refresh_from_db()
        form.see_again(letter)
    form.add_error(None, str(error))


def _raw_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter: DeadLetter) -> HttpResponse:
    need(request, Right.REDIRECT)
    if not sight_of(request).raw(bytes(letter.raw or b"")):
        raise PermissionDenied("Nobody may see this record without the rights to see receivers and contents.")
    form = RawForm(letter, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _accepted(request, letter, form):
        return HttpResponseRedirect(_case(letter))
    return confirmation(
        desk,
        request,
        title=f"Correct the record of dead letter {letter.pk}",
        sentences=[f"Why it could not be used: {letter.error}", "It is accepted as a new notification, with a new id."],
        form=form,
        button="Send as a new notification",
        original=letter,
        cancel=_case(letter),
    )


def _accepted(request: HttpRequest, letter: DeadLetter, form: forms.Form) -> bool:
    try:
        accepted = repair_unreadable(letter.pk, request.user.get_username(), form.cleaned_data["text"])
    except Invalid as invalid:
        add_errors(form, invalid.errors)
    except NotRepaired as error:
        messages.warning(request, str(error))
        return True
    except Conflict:
        form.add_error(
            None, "A correction of this letter was accepted before, with another text. Send that, or discard."
        )
    except Refused as refused:
        add_errors(form, refused.errors.get(0, {}))
    except Unavailable:
        form.add_error(None, "Neither Kafka nor the outbox could take it. Send the same text again in a moment.")
    else:
        messages.success(request, f"Accepted as notification {accepted}.")
        return True
    return False


def _case(letter: DeadLetter) -> str:
    return reverse("admin:dlq_deadletter_change", args=[letter.pk])
