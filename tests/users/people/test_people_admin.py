"""Users, devices, staff accounts and API keys."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import StaffAction
from tests.desk import PASSWORD, staff, superuser
from users.access.models import ApiKey
from users.people.models import Device, User

pytestmark = pytest.mark.django_db

NO_DEVICES = {"devices-TOTAL_FORMS": "0", "devices-INITIAL_FORMS": "0"}


@pytest.fixture
def clerk() -> Client:
    """Keeps the directory, and decides nothing about access."""
    rights = [f"users.{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("user", "device")]
    client = Client()
    client.force_login(staff("clerk", *rights))
    return client


def page_of(user: User) -> str:
    return reverse("admin:users_user_change", args=[user.pk])


def device(channel: str, address: str) -> dict[str, str]:
    return {
        "devices-TOTAL_FORMS": "1",
        "devices-INITIAL_FORMS": "0",
        "devices-0-channel": channel,
        "devices-0-address": address,
        "devices-0-position": "0",
    }


def test_a_notified_user_is_added_without_a_password_and_with_a_device(clerk: Client) -> None:
    said = {"username": "u1", "name": "Joan", **device("EMAIL", "joan@example.org")}
    assert clerk.post(reverse("admin:users_user_add"), said).status_code == 302
    user = User.objects.get(username="u1")
    assert not user.has_usable_password()
    assert not user.is_staff
    assert [(each.channel, each.address) for each in user.devices.all()] == [("EMAIL", "joan@example.org")]


@pytest.mark.parametrize(
    ("channel", "address"), [("EMAIL", "nobody"), ("SMS", "0155 123"), ("SLACK", "https://evil.test/")]
)
def test_an_address_must_be_one_of_its_channel(clerk: Client, channel: str, address: str) -> None:
    answer = clerk.post(reverse("admin:users_user_add"), {"username": "u1", **device(channel, address)})
    assert answer.status_code == 200
    assert not User.objects.filter(username="u1").exists()
    user = User.objects.create(username="u2")
    said = {"user": user.pk, "channel": channel, "address": address, "position": 0}
    assert clerk.post(reverse("admin:users_device_add"), said).status_code == 200
    assert not Device.objects.exists()


def test_only_superusers_decide_about_access(clerk: Client) -> None:
    user = User.objects.create(username="u1")
    grasp = {"username": "u1", "is_active": "on", "is_staff": "on", "is_superuser": "on", **NO_DEVICES}
    clerk.post(page_of(user), grasp)
    user.refresh_from_db()
    assert not user.is_staff
    assert not user.is_superuser
    boss, myself = superuser("boss", PASSWORD), User.objects.get(username="clerk")
    for account in (boss, myself):
        for name in ("change", "delete"):
            page = reverse(f"admin:users_user_{name}", args=[account.pk])
            assert clerk.post(page, {**grasp, "username": "taken-over", "post": "yes"}).status_code == 403
    for account in (boss, myself, user):
        page = reverse("admin:auth_user_password_change", args=[account.pk])
        new = {
            "usable_password": "true",
            "password1": "another-long-password-9",
            "password2": "another-long-password-9",
        }
        assert clerk.post(page, new).status_code == 403
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)
    assert clerk.post(reverse("admin:auth_group_add"), {"name": "bosses"}).status_code == 403
    assert not Group.objects.exists()


def test_a_bulk_delete_spares_staff(clerk: Client) -> None:
    boss, user = superuser("boss"), User.objects.create(username="u1")
    said = {"action": "delete_selected", "_selected_action": [boss.pk, user.pk], "index": 0, "post": "yes"}
    assert clerk.post(reverse("admin:users_user_changelist"), said).status_code == 403
    assert User.objects.filter(username="boss").exists()


def test_a_superuser_makes_staff_and_gives_a_password(anna: Client) -> None:
    user = User.objects.create(username="u1")
    assert (
        anna.post(page_of(user), {"username": "u1", "is_active": "on", "is_staff": "on", **NO_DEVICES}).status_code
        == 302
    )
    page = reverse("admin:auth_user_password_change", args=[user.pk])
    assert anna.get(page).status_code == 200
    said = {"usable_password": "true", "password1": "another-long-password-9", "password2": "another-long-password-9"}
    assert anna.post(page, said | {"set-password": "yes"}).status_code == 302
    user.refresh_from_db()
    assert user.is_staff
    assert user.check_password("another-long-password-9")


def test_users_are_found_by_the_beginning_of_the_name_and_by_kind(clerk: Client) -> None:
    User.objects.create(username="joan"), User.objects.create(username="joan2"), User.objects.create(username="ajoan")

    def listed(query: str) -> list[str]:
        page = clerk.get(f"{reverse('admin:users_user_changelist')}{query}")
        return [user.username for user in page.context["cl"].result_list]

    assert listed("?q=joan") == ["joan", "joan2"]
    assert listed("?kind=staff") == ["clerk"]


def new_key(client: Client, **said: object) -> str:
    form = {"name": "production", "client": "shop", "scopes": ["send", "read"]} | said
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
    assert anna.post(page, {"channels": ["EMAIL", "SMS"], "texts_a_day": "500"}).status_code == 302
    row.refresh_from_db()
    assert (row.channels, row.per_minute, row.texts_a_day) == (["EMAIL", "SMS"], None, 500)
    action = StaffAction.objects.get(action="set-limits")
    assert (action.target, action.note) == (f"API key {row.prefix}", "EMAIL, SMS, 500 texts a day")
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
