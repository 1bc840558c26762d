"""API keys: issued once, revoked for good; of what a key may do, only its limits can be changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.messages.words import StaffVerb
from project.desk.audit import one_at_a_time, write_actions
from project.desk.base import Context, ReadOnlyAdmin, column, confirmation, time_column
from project.desk.form_fields import FutureField
from project.desk.unfold import CheckboxSelectMultiple, TextInput
from users.access.limits import MOST
from users.access.models import SCOPES, ApiKey

LIST = "admin:users_apikey_changelist"
STATE_LABELS = {"usable": "success", "expired": "warning", "revoked": "danger"}


def state_of(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= timezone.now() else "usable"


state = column("state", state_of, labels=STATE_LABELS)
scopes = column("scopes", lambda key: ", ".join(key.scopes))
prefix = column("begins with", lambda key: f"ntf_{key.prefix}…")
last_used = time_column("last_used_at", "last used")
expires = time_column("expires_at", "expires")
created = time_column("created_at", "created")
revoked = time_column("revoked_at", "revoked")


def limits_of(key: ApiKey) -> str:
    counts = {
        "requests a minute": key.per_minute,
        "notifications a day": key.notifications_a_day,
        "texts a day": key.texts_a_day,
    }
    return ", ".join([*key.channels, *(f"{most:,} {what}" for what, most in counts.items() if most is not None)])


limits = column("limits", limits_of)


def _most(label: str) -> forms.IntegerField:
    return forms.IntegerField(
        required=False, min_value=1, max_value=MOST, widget=TextInput, label=label, help_text="Empty: any."
    )


class LimitsForm(forms.Form):
    """What a key may use up, and on which channels."""

    channels = forms.MultipleChoiceField(
        required=False,
        choices=channel_choices,
        widget=CheckboxSelectMultiple,
        help_text="Those it may send on. None ticked: all.",
    )
    per_minute = _most("Requests a minute")
    notifications_a_day = _most("Notifications a day")
    texts_a_day = _most("Texts a day")


class NewKeyForm(LimitsForm):
    name = forms.CharField(max_length=100, widget=TextInput, help_text="Where it is used, such as: shop, production.")
    client = forms.CharField(
        max_length=100,
        widget=TextInput,
        help_text="The name that rotating keys of one application share. Idempotency keys are per client.",
    )
    scopes = forms.MultipleChoiceField(choices=[(scope, scope) for scope in SCOPES], widget=CheckboxSelectMultiple)
    expires_at = FutureField(label="Expires", help_text="Empty: never.")

    field_order = ("name", "client", "scopes", "expires_at")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    list_display = ("client", "name", prefix, scopes, limits, last_used, expires, state)
    list_display_links = ("name",)
    ordering = ("client", "name")
    sortable_by = ()
    change_form_outer_before_template = "users/api_key_verbs.html"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("client", "name", prefix, scopes, limits, state, created, last_used, expires, revoked)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("users.add_apikey")

    def get_urls(self) -> list[URLPattern]:
        revoke, change = map(self.admin_site.admin_view, (self.revoke_view, self.limits_view))
        return [
            path("<int:key_id>/revoke/", revoke, name="users_apikey_revoke"),
            path("<int:key_id>/limits/", change, name="users_apikey_limits"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Context | None = None) -> HttpResponse:
        """The one page that ever shows a key's plaintext is the answer to the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewKeyForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            return self._issue(request, form.cleaned_data)
        return confirmation(
            self,
            request,
            title="New API key",
            sentences=["The key is shown once, on the next page. Only a hash of it is kept."],
            form=form,
            button="Make the key",
            cancel=reverse(LIST),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        more = {"may_act": self.has_act_permission(request)}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def revoke_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        """GET asks, POST does."""
        key = self._key_to_change(request, key_id)
        if key is None:
            return HttpResponseRedirect(reverse(LIST))
        if request.method == "POST":
            return self._revoke(request, key)
        return confirmation(
            self,
            request,
            title="Revoke this API key?",
            sentences=["Whoever uses it is refused from then on, everywhere within seconds. It cannot be undone."],
            facts=_facts(key),
            button="Revoke",
            danger=True,
            cancel=reverse("admin:users_apikey_change", args=[key.pk]),
        )

    def limits_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        """GET asks, POST does."""
        key = self._key_to_change(request, key_id)
        if key is None:
            return HttpResponseRedirect(reverse(LIST))
        form = LimitsForm(request.POST if request.method == "POST" else None, initial=model_to_dict(key))
        if request.method == "POST" and form.is_valid():
            return self._limit(request, key, form.cleaned_data)
        return confirmation(
            self,
            request,
            title="Limits of this API key",
            sentences=[
                "They count within seconds, everywhere. Over a limit a request is refused, with the time to wait."
            ],
            facts=_facts(key),
            form=form,
            button="Set the limits",
            cancel=reverse("admin:users_apikey_change", args=[key.pk]),
        )

    def _key_to_change(self, request: HttpRequest, key_id: int) -> ApiKey | None:
        """The key, or None and a message where there is none that still works. Raises PermissionDenied."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        key = ApiKey.objects.filter(pk=key_id, revoked_at=None).first()
        if key is None:
            messages.warning(request, "There is no such API key, or it is revoked.")
        return key

    def _limit(self, request: HttpRequest, key: ApiKey, given: dict[str, Any]) -> HttpResponse:
        for name, value in given.items():
            setattr(key, name, value)
        with one_at_a_time():
            key.save(update_fields=list(given))
            note = limits_of(key) or "none"
            write_actions(
                request.user.get_username(), StaffVerb.SET_LIMITS, [(f"API key {key.prefix}", None)], note=note
            )
        messages.success(request, f"The limits of {key.name} of {key.client} are set.")
        return HttpResponseRedirect(reverse("admin:users_apikey_change", args=[key.pk]))

    def _issue(self, request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
        with one_at_a_time():
            row, plaintext = ApiKey.issue(**given)
            write_actions(request.user.get_username(), StaffVerb.ISSUE_KEY, [(f"API key {row.prefix}", None)])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "The new API key",
            "row": row,
            "plaintext": plaintext,
        }
        return TemplateResponse(request, "users/api_key_issued.html", context)

    def _revoke(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        with one_at_a_time():
            key.revoke()
            write_actions(request.user.get_username(), StaffVerb.REVOKE_KEY, [(f"API key {key.prefix}", None)])
        messages.success(request, f"Revoked: {key.name} of {key.client}.")
        return HttpResponseRedirect(reverse(LIST))


def _facts(key: ApiKey) -> list[tuple[str, str]]:
    return [("Client", key.client), ("Name", key.name), ("Begins with", f"ntf_{key.prefix}…")]
