"""Logging in: wrong passwords lock an address and a name for a while; a second factor is asked for where required."""

from __future__ import annotations

import logging
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessFailureLog
from django.contrib.sessions.models import Session
from django.db import connections
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from notifications.models import StaffAction
from tests.desk import PASSWORD, letter, staff, superuser
from users.access.addresses import client_address

pytestmark = pytest.mark.django_db

LOGIN = reverse("admin:login")
SECOND = reverse("second_factor")
INDEX = reverse("admin:index")


def log_in(client: Client, name: str, password: str = PASSWORD, **headers: Any) -> Any:
    return client.post(LOGIN, {"username": name, "password": password}, **headers)


def is_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def test_forty_wrong_passwords_are_not_looked_at_and_the_right_one_is_not_either() -> None:
    superuser("anna", PASSWORD)
    client = Client()
    answers = [log_in(client, "anna", f"wrong {number}").status_code for number in range(12)]
    assert answers == [200] * 9 + [429] * 3
    locked = log_in(client, "anna")
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert "For 15 minutes none is looked at" in locked.content.decode()
    assert not is_in(client)
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        assert log_in(client, "anna").status_code == 302
        assert is_in(client)


def test_an_address_is_locked_for_any_name_and_a_name_from_any_address() -> None:
    superuser("anna", PASSWORD), superuser("bert", PASSWORD)
    for number in range(10):
        log_in(Client(), f"nobody{number}", "wrong", REMOTE_ADDR="192.0.2.7")
    assert log_in(Client(), "anna", REMOTE_ADDR="192.0.2.7").status_code == 429
    assert log_in(Client(), "anna", REMOTE_ADDR="192.0.2.8").status_code == 302
    for number in range(10):
        log_in(Client(), "bert", "wrong", REMOTE_ADDR=f"198.51.100.{number}")
    assert log_in(Client(), "bert", REMOTE_ADDR="203.0.113.1").status_code == 429


def test_refused_log_ins_are_recorded_and_the_logs_name_nobody(anna: Client, caplog: pytest.LogCaptureFixture) -> None:
    superuser("carla", PASSWORD)
    with caplog.at_level(logging.DEBUG):
        for _ in range(11):
            log_in(Client(), "carla", "secret-guess", REMOTE_ADDR="192.0.2.9")
    rows = AccessFailureLog.objects.filter(username="carla", ip_address="192.0.2.9")
    assert rows.count() == 10
    page = anna.get(reverse("admin:axes_accessfailurelog_changelist")).content.decode()
    assert "192.0.2.9" in page
    own = "".join(record.getMessage() for record in caplog.records if record.name.startswith("axes"))
    assert own
    assert not [word for word in ("carla", "192.0.2.9", "secret-guess") if word in own]


def test_only_superusers_see_who_was_refused_and_who_has_a_device(viewer: Client) -> None:
    for page in ("axes_accessfailurelog", "otp_totp_totpdevice"):
        assert viewer.get(reverse(f"admin:{page}_changelist")).status_code == 403


@pytest.mark.parametrize(
    ("forwarded", "behind_a_proxy", "expected"),
    [
        ("203.0.113.5", True, "203.0.113.5"),
        ("10.1.1.1, 203.0.113.5", True, "203.0.113.5"),
        ("203.0.113.5", False, "192.0.2.1"),
        ("nonsense", True, "192.0.2.1"),
        ("", True, "192.0.2.1"),
        ("2001:db8::1%eth0", True, "2001:db8::1"),
        ("1" * 10_000, True, "192.0.2.1"),
    ],
)
def test_the_address_is_the_proxys_word_or_the_connection(
    settings: Any, forwarded: str, behind_a_proxy: bool, expected: str
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if behind_a_proxy else None
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(request) == expected


def test_a_session_ends_a_working_day_after_its_log_in_whatever_is_done_meanwhile() -> None:
    superuser("anna", PASSWORD)
    client = Client()
    began = timezone.now()
    log_in(client, "anna")
    with time_machine.travel(began + timedelta(hours=9), tick=True):
        client.post(reverse("admin:desk_find"), {"q": "somebody"})  # which is kept in the session
        assert is_in(client)
        assert Session.objects.get().expire_date < began + timedelta(hours=11)
    with time_machine.travel(began + timedelta(hours=11), tick=True):
        assert not is_in(client)


@pytest.fixture
def required(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True


def device_of(user: Any) -> TOTPDevice:
    return TOTPDevice.objects.create(user=user, name="phone")


def code_of(device: TOTPDevice, steps: int = 0) -> str:
    return f"{totp(device.bin_key, drift=steps):06d}"


def test_without_the_setting_nothing_asks_for_a_second_factor(anna: Client) -> None:
    assert is_in(anna)
    assert anna.get(SECOND).status_code == 404


def test_staff_without_a_device_are_led_to_set_one_up(required: None) -> None:
    user, client = superuser("anna", PASSWORD), Client()
    log_in(client, "anna")
    answer = client.get(reverse("admin:dlq_deadletter_changelist") + "?channel=EMAIL", follow=True)
    assert answer.redirect_chain[-1][0].startswith(SECOND)
    assert "no-store" in answer["Cache-Control"]
    page = answer.content.decode()
    secret = page.partition('id="secret">')[2].partition("<")[0]
    assert "<svg" in page
    assert client.post(SECOND, {"code": "12345"}).context["form"].errors
    key = b32decode(secret)
    wrong = f"{(totp(key) + 1) % 1_000_000:06d}"
    assert client.post(SECOND, {"code": wrong}).context["form"].errors
    assert not TOTPDevice.objects.exists()
    form = {"code": f"{totp(key):06d}", "next": answer.context["next"]}
    done = client.post(SECOND, form)
    assert done["Location"] == reverse("admin:dlq_deadletter_changelist") + "?channel=EMAIL"
    assert is_in(client)
    assert TOTPDevice.objects.get().user == user
    assert StaffAction.objects.get().target == "second factor of anna"
    assert secret not in client.get(INDEX).content.decode() + str(dict(client.session))


def test_each_log_in_asks_for_a_code_and_takes_none_twice(required: None) -> None:
    device = device_of(superuser("anna", PASSWORD))
    first, second = Client(), Client()
    for client in (first, second):
        log_in(client, "anna")
        assert not is_in(client)
        assert "<svg" not in client.get(SECOND).content.decode()
    code = code_of(device)
    assert first.post(SECOND, {"code": f" {code[:3]} {code[3:]} "})["Location"] == INDEX
    assert is_in(first)
    assert "was used before" in second.post(SECOND, {"code": code}).content.decode()
    assert not is_in(second)


def test_nothing_of_a_session_works_before_the_code(required: None) -> None:
    dead = letter()
    device_of(superuser("anna", PASSWORD))
    client = Client()
    log_in(client, "anna")
    pages = [reverse("admin:dlq_deadletter_verb", args=["replay"]), "/docs", "/schema", "/admin/password_change/"]
    for page in pages:
        for answer in (client.get(page), client.post(page, {"ids": dead.pk, "confirm": "yes"})):
            assert answer["Location"].startswith(SECOND), page
    dead.refresh_from_db()
    assert dead.state == "open"
    assert client.post(reverse("admin:logout")).status_code in (200, 302)


def test_wrong_codes_are_slowed_down(required: None) -> None:
    device = device_of(superuser("anna", PASSWORD))
    client = Client()
    log_in(client, "anna")
    with time_machine.travel(timezone.now(), tick=False):  # the first pause is a second, which a page may take
        answers = [client.post(SECOND, {"code": "000000"}).content.decode() for _ in range(3)]
        assert "not right" in answers[0]
        assert "Too many wrong codes: wait until" in answers[-1]
        assert "Too many wrong codes" in client.post(SECOND, {"code": code_of(device)}).content.decode()
        assert not is_in(client)


def test_a_superuser_removes_a_lost_device_and_the_next_log_in_sets_up_another(anna: Client, settings: Any) -> None:
    device = device_of(staff("bert", "dlq.view_deadletter"))
    bert = Client()
    bert.force_login(device.user)
    settings.STAFF_SECOND_FACTOR = True
    bert.post(SECOND, {"code": code_of(device)})
    assert is_in(bert)
    settings.STAFF_SECOND_FACTOR = False
    shown = anna.get(reverse("admin:otp_totp_totpdevice_change", args=[device.pk])).content.decode()
    assert device.key not in shown
    assert anna.post(reverse("admin:otp_totp_totpdevice_delete", args=[device.pk]), {"post": "yes"}).status_code == 302
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.target) == ("anna", "remove", "second factor of bert")
    settings.STAFF_SECOND_FACTOR = True
    assert not is_in(bert)
    assert "<svg" in bert.get(SECOND).content.decode()


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"])
def test_the_way_on_leads_nowhere_else(required: None, next: str) -> None:
    device = device_of(superuser("anna", PASSWORD))
    client = Client()
    log_in(client, "anna")
    assert client.post(SECOND, {"code": code_of(device), "next": next})["Location"] == INDEX


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_one_code_at_once_one_gets_in(required: None) -> None:
    device = device_of(superuser("anna", PASSWORD))
    clients = [Client(), Client()]
    for client in clients:
        log_in(client, "anna")
    code = code_of(device)

    def post(client: Client) -> int:
        try:
            return client.post(SECOND, {"code": code}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(post, clients)) == [200, 302]
