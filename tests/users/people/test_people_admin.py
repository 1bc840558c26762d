"""The pages of people and of their devices."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.desk import staff
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


def device(channel: str, address: str) -> dict[str, str]:
    return {
        "devices-TOTAL_FORMS": "1",
        "devices-INITIAL_FORMS": "0",
        "devices-0-channel": channel,
        "devices-0-address": address,
        "devices-0-position": "0",
    }


def test_a_person_is_added_with_a_device(clerk: Client) -> None:
    form = {"username": "u1", "name": "Joan", **device("EMAIL", "joan@example.org")}
    assert clerk.post(reverse("admin:users_user_add"), form).status_code == 302
    user = User.objects.get(username="u1")
    assert [(each.channel, each.address) for each in user.devices.all()] == [("EMAIL", "joan@example.org")]


@pytest.mark.parametrize(
    ("channel", "address"), [("EMAIL", "nobody"), ("SMS", "0155 123"), ("SLACK", "https://evil.test/")]
)
def test_an_address_must_be_one_of_its_channel(clerk: Client, channel: str, address: str) -> None:
    answer = clerk.post(reverse("admin:users_user_add"), {"username": "u1", **device(channel, address)})
    assert answer.status_code == 200
    assert not User.objects.filter(username="u1").exists()
    user = User.objects.create(username="u2")
    form = {"user": user.pk, "channel": channel, "address": address, "position": 0}
    assert clerk.post(reverse("admin:users_device_add"), form).status_code == 200
    assert not Device.objects.exists()


def test_a_person_is_renamed_and_deleted_without_a_word_on_access(clerk: Client) -> None:
    user = User.objects.create(username="u1")
    page = reverse("admin:users_user_change", args=[user.pk])
    assert "password" not in clerk.get(page).content.decode()
    assert clerk.post(page, {"username": "u1", "name": "Joan", "is_staff": "on", **NO_DEVICES}).status_code == 302
    assert User.objects.get().name == "Joan"
    assert clerk.post(reverse("admin:users_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 302
    assert not User.objects.exists()


def test_people_are_found_by_the_beginning_of_the_name(clerk: Client) -> None:
    User.objects.create(username="joan"), User.objects.create(username="joan2"), User.objects.create(username="ajoan")

    def listed(query: str) -> list[str]:
        page = clerk.get(f"{reverse('admin:users_user_changelist')}{query}")
        return [user.username for user in page.context["cl"].result_list]

    assert listed("?q=joan") == ["joan", "joan2"]
    assert listed("") == ["ajoan", "joan", "joan2"]  # and not the clerk, whose account is no person
