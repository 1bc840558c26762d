"""The second factor of staff: a code of an authenticator app (TOTP, RFC 6238), where STAFF_SECOND_FACTOR requires it.

Whoever has none yet sets one up after the first password; the secret is kept with the session until a code of it
was right. django-otp checks the codes, takes none twice and slows down whoever guesses.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from typing import Any

import qrcode
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django_otp import login as mark_as_verified
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp import admin as otp_pages
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from qrcode.image.svg import SvgPathImage

from notifications.messages.words import StaffVerb
from project.desk.audit import one_at_a_time, printed, write_actions
from project.desk.base import ReadOnlyAdmin, time_column
from project.desk.unfold import TextInput

IN_SESSION = "second_factor"
OPEN_PAGES = ("second_factor", "admin:login", "admin:logout")


class SecondFactor:
    """Leads staff who have not shown their second factor to the page that asks for it, wherever they want to go.

    It sees whatever uses a session: calls with an API key pass before it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.STAFF_SECOND_FACTOR and request.path not in map(reverse, OPEN_PAGES):
            user: Any = request.user
            if user.is_authenticated and not user.is_verified():
                where = request.get_full_path() if request.method == "GET" else ""
                return HttpResponseRedirect(f"{reverse('second_factor')}?{urlencode({'next': where})}")
        return self.get_response(request)


class CodeForm(forms.Form):
    code = forms.RegexField(
        r"\A\s*(\d{3})\s?(\d{3})\s*\Z",
        label="Code",
        strip=False,
        widget=TextInput({"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
        error_messages={"invalid": "A code has six digits."},
    )

    def clean_code(self) -> str:
        return "".join(self.cleaned_data["code"].split())


@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Asks for the code, or sets the device up where there is none."""
    user: Any = request.user
    if not settings.STAFF_SECOND_FACTOR:
        raise Http404
    if not user.is_authenticated:
        return HttpResponseRedirect(reverse("admin:login"))
    if user.is_verified():
        return HttpResponseRedirect(_next(request))
    device = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        problem = _check(device, form.cleaned_data["code"], request) if device else _set_up(form, request)
        if not problem:
            return HttpResponseRedirect(_next(request))
        form.add_error("code", problem)
    context = {**admin.site.each_context(request), "title": "Second factor", "form": form, "next": _next(request)}
    return render(request, "users/second_factor.html", context | ({} if device else _enrolment(request)))


def _check(device: TOTPDevice, code: str, request: HttpRequest) -> str:
    """Why the code is refused, or "" once the session is marked."""
    with transaction.atomic():  # of two at once with the same code, one is refused
        locked = TOTPDevice.objects.select_for_update().filter(pk=device.pk).first()
        if locked is None:
            return "Your device was removed meanwhile: load this page again."
        allowed, why = locked.verify_is_allowed()
        if not allowed:
            return f"Too many wrong codes: wait until {printed(why['locked_until'])}."
        if not locked.verify_token(code):
            return "This code is not right, or was used before. Wait for the next one."
    return _verified(request, locked)


def _set_up(form: CodeForm, request: HttpRequest) -> str:
    """Why the code is refused, or "" once the device is kept and the session marked."""
    totp = TOTP(bytes.fromhex(_secret(request)))
    if not totp.verify(int(form.cleaned_data["code"]), tolerance=1):
        return "This code is not right: check the clock of your device, and take the next one."
    with one_at_a_time():
        user = User.objects.select_for_update().get(username=request.user.get_username())
        if TOTPDevice.objects.filter(user=user, confirmed=True).exists():
            return "A device was set up meanwhile: load this page again."
        device = TOTPDevice.objects.create(user=user, name="Authenticator", key=_secret(request), last_t=totp.t())
        write_actions(user.username, StaffVerb.SET_UP_FACTOR, [(f"second factor of {user.username}"[:100], None)])
    del request.session[IN_SESSION]
    messages.success(request, "From now on each log-in asks for a code of this device.")
    return _verified(request, device)


def _verified(request: HttpRequest, device: TOTPDevice) -> str:
    request.session.cycle_key()
    mark_as_verified(request, device)
    return ""


def _secret(request: HttpRequest) -> str:
    """The hex secret of the device to be set up: of this session alone, so that nobody can have seen it before."""
    return str(request.session.setdefault(IN_SESSION, default_key()))


def _enrolment(request: HttpRequest) -> dict[str, str]:
    """What the page shows to set a device up: a picture to scan, and the secret to type instead."""
    key = _secret(request)
    url = TOTPDevice(user=request.user, key=key).config_url
    picture = qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode")
    return {"picture": picture, "secret": b32encode(bytes.fromhex(key)).decode()}


def _next(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if target and safe else reverse("admin:index")


admin.site.unregister(otp_pages.TOTPDevice)


@admin.register(TOTPDevice)
class SecondFactorAdmin(ReadOnlyAdmin[TOTPDevice]):
    """For superusers, who remove the device of somebody that lost it. Its secret is shown to nobody."""

    list_display = ("user", "name", time_column("created_at", "set up"), time_column("last_used_at", "last used"))
    list_display_links = ("user",)
    list_select_related = ("user",)
    ordering = ("-id",)
    sortable_by = ()
    actions = ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.list_display

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.list_display

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_view_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def delete_model(self, request: HttpRequest, obj: TOTPDevice) -> None:
        with one_at_a_time():
            whose = f"second factor of {obj.user.get_username()}"[:100]
            write_actions(request.user.get_username(), StaffVerb.REMOVE_FACTOR, [(whose, None)])
            super().delete_model(request, obj)
