"""A device that staff correct is recorded with both addresses, masked and hashed."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.messages.ids import receiver_hash
from notifications.models import StaffAction
from tests.desk import logged_in, staff
from users.people.models import Device, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(db: None) -> Device:
    return Device.objects.create(
        user=User.objects.create(username="u1", name="Joan"), channel="EMAIL", address="joan@gmial.com"
    )


def form_of(device: Device, address: str) -> dict[str, str | int]:
    return {"user": device.user_id, "channel": "EMAIL", "address": address, "position": 0}


def test_an_agent_corrects_a_device(agent: Client, device: Device) -> None:
    page = reverse("admin:users_device_change", args=[device.pk])
    assert "joan@gmial.com" in agent.get(page).content.decode()
    assert agent.post(page, form_of(device, "joan@gmail.com")).status_code == 302
    device.refresh_from_db()
    assert device.address == "joan@gmail.com"
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.target) == ("agent", "set-device", "device of u1")
    assert (action.before, action.after) == ("j…@gmial.com", "j…@gmail.com")
    assert action.after_hash == receiver_hash("EMAIL", "joan@gmail.com")


def test_a_save_without_a_change_records_nothing(agent: Client, device: Device) -> None:
    agent.post(reverse("admin:users_device_change", args=[device.pk]), form_of(device, device.address))
    assert not StaffAction.objects.exists()


def test_a_device_given_to_another_person_is_recorded_at_both(agent: Client, device: Device) -> None:
    other = User.objects.create(username="u2")
    page = reverse("admin:users_device_change", args=[device.pk])
    assert agent.post(page, form_of(device, device.address) | {"user": other.pk}).status_code == 302
    rows = StaffAction.objects.order_by("pk").values_list("action", "target", "before", "after")
    assert list(rows) == [
        ("delete-device", "device of u1", "j…@gmial.com", ""),
        ("set-device", "device of u2", "", "j…@gmial.com"),
    ]


def test_an_agent_deletes_none_and_a_supervisor_does(agent: Client, supervisor: Client, device: Device) -> None:
    page = reverse("admin:users_device_delete", args=[device.pk])
    assert agent.post(page, {"post": "yes"}).status_code == 403
    assert supervisor.post(page, {"post": "yes"}).status_code == 302
    action = StaffAction.objects.get()
    assert (action.action, action.before, action.after) == ("delete-device", "j…@gmial.com", "")


def test_devices_on_the_page_of_a_person_are_recorded_too(administrator: Client, device: Device) -> None:
    page = reverse("admin:users_user_change", args=[device.user_id])
    rows = {
        "devices-TOTAL_FORMS": 2,
        "devices-INITIAL_FORMS": 1,
        "devices-0-id": device.pk,
        "devices-0-user": device.user_id,
        "devices-0-channel": "EMAIL",
        "devices-0-address": "joan@gmail.com",
        "devices-0-position": 0,
        "devices-1-user": device.user_id,
        "devices-1-channel": "SMS",
        "devices-1-address": "+14155550100",
        "devices-1-position": 1,
    }
    assert administrator.post(page, {"username": "u1", "name": "Joan Smith", **rows}).status_code == 302
    found = StaffAction.objects.order_by("id").values_list("action", "target", "before", "note")
    assert list(found) == [
        ("put-user", "user u1", "", "changed: name"),
        ("set-device", "device of u1", "j…@gmial.com", "EMAIL"),
        ("set-device", "device of u1", "", "SMS"),
    ]


def test_an_address_is_whole_for_whom_may_see_receivers_or_correct_it(viewer: Client, device: Device) -> None:
    pages = [
        reverse("admin:users_device_change", args=[device.pk]),
        reverse("admin:users_user_change", args=[device.user_id]),
    ]
    sees = logged_in(staff("sees", "users.view_device", "users.view_user", "dlq.see_receiver"))
    for page in pages:
        assert "joan@gmial.com" not in viewer.get(page).content.decode()
        assert "joan@gmial.com" in sees.get(page).content.decode()
