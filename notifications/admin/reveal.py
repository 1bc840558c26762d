"""The page on which somebody who may ask sees one content, or one receiver, once and for a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from notifications.messages.words import StaffVerb
from notifications.models import Notification
from project.desk.audit import LONGEST_TEXT, one_at_a_time, write_actions
from project.desk.base import ReadOnlyAdmin, confirmation
from project.desk.marks import mark_when_rendered
from project.desk.rights import Right, need
from project.desk.sight import Sight, sight_of
from project.desk.unfold import Textarea

WHAT = {"content": "what it contains", "receiver": "its receiver"}


class RevealForm(forms.Form):
    reason = forms.CharField(
        max_length=LONGEST_TEXT,
        widget=Textarea({"rows": 2}),
        label="Why do you need to see it?",
        help_text="Kept in the staff actions, under your name.",
    )


def reveal_page(desk: ReadOnlyAdmin[Notification], request: HttpRequest, row: Notification, what: str) -> HttpResponse:
    """Asks why for GET. For POST writes down who, what and why, and answers with a page that shows it, once.

    Nothing of it stands in an address or a session, and no cache keeps a page of the admin. Raises Http404, and
    PermissionDenied: also for what a sensitive category contains, which nobody sees.
    """
    if what not in WHAT:
        raise Http404
    need(request, Right.REVEAL)
    if what == "content" and sight_of(request).is_sensitive(row.category):
        raise PermissionDenied(f"{row.category} is sensitive: nobody may see what it contains.")
    form = RevealForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with one_at_a_time():
            written = (request.user.get_username(), StaffVerb.REVEAL, [(f"notification {row.pk}", row.pk)])
            write_actions(*written, note=WHAT[what], reason=form.cleaned_data["reason"])
        return _shown(desk, request, row, what)
    return confirmation(
        desk,
        request,
        title=f"Show {WHAT[what]}?",
        sentences=["It is shown once, on the next page, and that you looked is written down."],
        facts=_facts(request, row),
        form=form,
        button="Show",
        original=row,
        cancel=_page(row),
    )


def _shown(desk: ReadOnlyAdmin[Notification], request: HttpRequest, row: Notification, what: str) -> HttpResponse:
    whole = Sight(receivers=True, contents=True, asks=True)
    context: dict[str, Any] = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": f"Shown once: {WHAT[what]}",
        "original": row,
        "facts": _facts(request, row),
        "content": whole.content(row) if what == "content" else None,
        "receiver": whole.receiver(row) if what == "receiver" else "",
        "back": _page(row),
    }
    request.current_app = desk.admin_site.name
    return mark_when_rendered(TemplateResponse(request, "desk/revealed.html", context))


def _facts(request: HttpRequest, row: Notification) -> list[tuple[str, str]]:
    sight = sight_of(request)
    facts = [("Channel", row.channel), ("Receiver", sight.receiver(row)), ("Person", sight.person(row.user))]
    facts += [("Category", row.category)]
    return [(name, value) for name, value in facts if value]


def _page(row: Notification) -> str:
    return reverse("admin:notifications_notification_change", args=[row.pk])
