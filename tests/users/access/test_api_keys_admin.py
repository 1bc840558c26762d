"""The pages of API keys."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import StaffAction
from users.access.models import ApiKey

pytestmark = pytest.mark.django_db


def new_key(client: Client, **fields: object) -> str:
    form = {"name": "production", "client": "shop", "scopes": ["send", "read"]} | fields
    answer = client.post(reverse("admin:users_apikey_add"), form)
    assert "no-store" in answer["Cache-Control"]
    found = re.search(r'id="api-key">([^<]+)<', answer.content.decode())
    assert found
    return found[1]


def test_an_api_key_is_shown_once_and_kept_nowhere(anna: Client, caplog: pytest.LogCaptureFixture) -> None:
    key = new_key(anna)
    row = ApiKey.objects.get()
    assert row.digest == ApiKey.digest_of(key)
    assert (row.client, row.scopes, row.expires_at) == ("shop", ["send", "read"], None)
    pages = [reverse("admin:users_apikey_changelist"), reverse("admin:users_apikey_change", args=[row.pk])]
    for page in [*pages, reverse("admin:index"), reverse("admin:notifications_staffaction_changelist")]:
        shown = anna.get(page).content.decode()
        assert key not in shown
        assert row.digest not in shown
    secret = key.removeprefix(f"ntf_{row.prefix}_")
    assert secret not in str(dict(anna.session)) + str(anna.cookies) + caplog.text
    assert secret not in str(StaffAction.objects.values_list())
    assert StaffAction.objects.get().action == "issue"


def test_a_key_needs_a_scope_and_a_future(anna: Client) -> None:
    wrongs: list[dict[str, object]] = [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_at": "2020-01-01T00:00"},
        {"client": ""},
    ]
    for wrong in wrongs:
        form = {"name": "production", "client": "shop", "scopes": ["send"]} | wrong
        assert anna.post(reverse("admin:users_apikey_add"), form).status_code == 200
    assert not ApiKey.objects.exists()
    new_key(anna, expires_at="2090-01-01T00:00")
    row = ApiKey.objects.get()
    assert row.expires_at is not None
    assert row.expires_at.year == 2090


def test_the_limits_of_a_key_are_set_and_recorded(anna: Client) -> None:
    new_key(anna, channels=["EMAIL"], per_minute="60")
    row = ApiKey.objects.get()
    assert (row.channels, row.per_minute, row.texts_a_day) == (["EMAIL"], 60, None)
    page = reverse("admin:users_apikey_limits", args=[row.pk])
    assert 'value="60"' in anna.get(page).content.decode()
    for wrong in ({"per_minute": "0"}, {"texts_a_day": "many"}, {"texts_a_day": "1000000001"}, {"channels": ["FAX"]}):
        assert anna.post(page, wrong).status_code == 200
    assert (
        anna.post(page, {"channels": ["EMAIL", "SMS"], "notifications_a_day": "9000", "texts_a_day": "500"}).status_code
        == 302
    )
    row.refresh_from_db()
    assert (row.channels, row.per_minute, row.texts_a_day) == (["EMAIL", "SMS"], None, 500)
    action = StaffAction.objects.get(action="set-limits")
    assert (action.target, action.note) == (
        f"API key {row.prefix}",
        "EMAIL, SMS, 9,000 notifications a day, 500 texts a day",
    )
    assert "500 texts a day" in anna.get(reverse("admin:users_apikey_changelist")).content.decode()


def test_a_key_is_revoked_after_a_confirmation_and_never_edited(anna: Client) -> None:
    new_key(anna)
    row = ApiKey.objects.get()
    revoke = reverse("admin:users_apikey_revoke", args=[row.pk])
    assert "Revoke this API key?" in anna.get(revoke).content.decode()
    assert ApiKey.objects.usable(timezone.now()).exists()
    assert anna.post(revoke, {"confirm": "yes"}).status_code == 302
    assert not ApiKey.objects.usable(timezone.now()).exists()
    assert StaffAction.objects.filter(action="revoke", target=f"API key {row.prefix}").count() == 1
    for name in ("change", "delete"):
        page = reverse(f"admin:users_apikey_{name}", args=[row.pk])
        assert anna.post(page, {"name": "other", "post": "yes"}).status_code == 403
    assert ApiKey.objects.get().name == "production"
