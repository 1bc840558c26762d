"""The page of the addresses to which nothing is sent: found by an address that staff type, written and lifted."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from notifications.channels import channel_choices, channel_class
from notifications.messages.fields import LENGTHS
from notifications.messages.words import SuppressedFor
from notifications.models import Receipt
from project.desk.audit import LONGEST_TEXT, printed
from project.desk.base import Context, ReadOnlyAdmin, column, confirmation, time_column
from project.desk.filters import TextFilter, word_filter
from project.desk.unfold import Textarea, TextInput
from users.recipients import suppression_verbs
from users.recipients.models import Suppression
from users.recipients.suppression import REASONS, hashes_of
from users.recipients.suppression_verbs import Named

LIST = "admin:users_suppression_changelist"
STATES = {"in force": "warning"}


class AddressForm(forms.Form):
    """An address, which no URL has: it is posted."""

    channel = forms.ChoiceField(choices=channel_choices)
    receiver = forms.CharField(max_length=LENGTHS["receiver"], widget=TextInput(), label="Address")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        channel, receiver = cleaned.get("channel"), cleaned.get("receiver")
        if channel and receiver and (problem := channel_class(channel).receiver_problem(receiver)):
            self.add_error("receiver", problem)
        return cleaned


class WhyForm(forms.Form):
    why = forms.CharField(max_length=LONGEST_TEXT, widget=Textarea({"rows": 2}), label="Why?")


class SuppressForm(AddressForm, WhyForm):
    reason = forms.ChoiceField(choices=REASONS, initial=SuppressedFor.BY_STAFF.value)
    category = forms.CharField(
        max_length=LENGTHS["category"], required=False, widget=TextInput(), help_text="Empty: nothing at all is sent."
    )
    field_order = ("channel", "receiver", "reason", "category", "why")


class OfAddress(TextFilter):
    """The suppressions of one address, by its hashes, where the search has led here."""

    title = "address"
    parameter_name = "address_hash"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        hashes = (self.value() or "").replace("\x00", "").strip()
        return queryset.filter(address_hash__in=hashes.split(",")[:10]) if hashes else queryset


def state_of(row: Suppression) -> str:
    """Returns "in force", or what it is otherwise."""
    if row.until is None or row.until > timezone.now():
        return "in force"
    return "some bounces" if row.score else "over"


since, until = time_column("since", "since"), column("until", lambda row: printed(row.until, none="it is lifted"))
state = column("state", state_of, labels=STATES)
scope = column("what", lambda row: row.scope or "everything")


def _receipts_of(request: HttpRequest, row: Suppression | None) -> str:
    """Returns the list of what providers reported of this address without a notification; "" where nobody did."""
    if row is None or not request.user.has_perm("notifications.view_receipt"):
        return ""
    found = Receipt.objects.without_notification().filter(receiver_hash=row.address_hash)
    page = f"{reverse('admin:notifications_receipt_changelist')}?receiver_hash={row.address_hash}"
    return page if found.exists() else ""


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin[Suppression]):
    list_display = (since, state, "channel", "reason", scope, until, "provider")
    list_display_links = (since,)
    list_filter = (OfAddress, word_filter("channel", channel_choices), word_filter("reason", lambda: REASONS))
    fields: ClassVar[Any] = (state, "channel", "reason", scope, since, until, "provider", "evidence", "address_hash")
    readonly_fields: ClassVar[Any] = fields
    ordering = ("-id",)
    sortable_by = ()
    what_is_here = "Addresses to which nothing is sent are listed here. Their rows do not have the addresses."
    list_before_template = "users/suppressions_before.html"
    change_form_outer_before_template = "users/suppression_verbs.html"

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("of/", guard(self.find_view), name="users_suppression_find"),
            path("suppress/", guard(self.suppress_view), name="users_suppression_suppress"),
            path("<int:row_id>/lift/", guard(self.lift_view), name="users_suppression_lift"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        context = {"may_act": self.has_act_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        may_act = self.has_act_permission(request) and row is not None and state_of(row) == "in force"
        context = {"may_act": may_act, "receipts": _receipts_of(request, row), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks for an address, POST leads to its suppressions. Raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = AddressForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            hashes = hashes_of(form.cleaned_data["channel"], form.cleaned_data["receiver"])
            return HttpResponseRedirect(f"{reverse(LIST)}?address_hash={','.join(hashes)}")
        return confirmation(self, request, form=form, title="Is this address suppressed?", button="Look")

    def suppress_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST suppresses. Raises PermissionDenied."""
        self._need_act(request)
        form = SuppressForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            given = form.cleaned_data
            named = Named(given["channel"], given["receiver"], SuppressedFor(given["reason"]), given["category"])
            _, is_new = suppression_verbs.suppress(named, request.user.get_username(), given["why"])
            done = "Nothing is sent to this address from now on." if is_new else "That was so already."
            return self._done(request, done, messages.SUCCESS if is_new else messages.WARNING)
        works = [
            "It works within a second or two, also for what was accepted before. Mandatory categories stop as well."
        ]
        return confirmation(
            self,
            request,
            form=form,
            title="Send nothing to an address",
            button="Suppress",
            sentences=works,
            danger=True,
        )

    def lift_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """GET asks, POST lifts. Raises Http404, PermissionDenied."""
        self._need_act(request)
        row = Suppression.objects.in_force().filter(pk=row_id).first()
        if row is None:
            raise Http404
        form = WhyForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            suppression_verbs.lift_row(row, request.user.get_username(), form.cleaned_data["why"])
            return self._done(request, "It is lifted: this address is written to again.")
        known = [
            f"It was suppressed as {row.reason} at {printed(row.since)}. What was suppressed meanwhile stays unsent."
        ]
        if row.reason == SuppressedFor.STOP:
            known.append("Its owner answered STOP. The provider goes on to refuse texts until they answer START.")
        return confirmation(
            self, request, form=form, title="Send to this address again?", button="Lift", sentences=known, danger=True
        )

    def _need_act(self, request: HttpRequest) -> None:
        if not self.has_act_permission(request):
            raise PermissionDenied

    def _done(self, request: HttpRequest, sentence: str, level: int = messages.SUCCESS) -> HttpResponse:
        messages.add_message(request, level, sentence)
        return HttpResponseRedirect(reverse(LIST))
