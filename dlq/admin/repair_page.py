"""The page that corrects a dead letter's notification before its replay, or a record that could not be read."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dlq.admin.forms import RawForm, RepairForm, add_errors
from dlq.admin.verb_pages import LIST, tell
from dlq.models import DeadLetter
from dlq.repair import NotRepaired, repair, repair_unreadable
from dlq.verbs import Result, has_expired, replay, replay_with_expiry
from notifications.intake.refused import Conflict, Refused
from notifications.messages.explain import Invalid, Unavailable
from notifications.models import Notification
from project.desk.base import ReadOnlyAdmin, confirmation


def repair_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter_id: int) -> HttpResponse:
    """Shows the form for GET; corrects, and replays where asked, for POST."""
    letter = DeadLetter.objects.select_related("notification").filter(pk=letter_id).first()
    if letter is None:
        messages.warning(request, f"There is no dead letter {letter_id}.")
        return HttpResponseRedirect(reverse(LIST))
    if letter.notification is None:
        return _raw_page(desk, request, letter)
    return _notification_page(desk, request, letter, letter.notification)


def _notification_page(
    desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter: DeadLetter, notification: Notification
) -> HttpResponse:
    form = RepairForm(notification, request.POST if request.method == "POST" else None, expired=has_expired(letter))
    if request.method == "POST" and form.is_valid() and _corrected(request, letter, form):
        return HttpResponseRedirect(_case(letter))
    return confirmation(
        desk,
        request,
        title=f"Edit dead letter {letter.pk}",
        sentences=[
            "What you change here is what will be sent. The names of the fields you change are kept, not the texts."
        ],
        form=form,
        button="Save and replay",
        also="Save only",
        hidden={},
        original=letter,
        cancel=_case(letter),
    )


def _corrected(request: HttpRequest, letter: DeadLetter, form: RepairForm) -> bool:
    actor, generation = request.user.get_username(), form.cleaned_data["generation"]
    result = Result()
    try:
        with transaction.atomic():
            changed = repair(letter.pk, actor, form.changes(), generation=generation)
            if form.replays and "expires_at" in form.cleaned_data:
                result = replay_with_expiry(letter.pk, actor, form.cleaned_data["expires_at"])
            elif form.replays:
                result = replay([letter.pk], actor)
    except Invalid as invalid:
        add_errors(form, invalid.errors)
        return False
    except NotRepaired as error:
        messages.warning(request, str(error))
        return True
    messages.success(request, f"Changed: {', '.join(changed)}." if changed else "Nothing was changed.")
    tell(request, result, "replayed: due now, and sent within seconds")
    return True


def _raw_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, letter: DeadLetter) -> HttpResponse:
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
        hidden={},
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
