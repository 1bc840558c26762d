"""/p/<token>: a person's own page, as it is asked for and as it is posted."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core import signing
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from notifications.ledger.pauses import read_only
from notifications.ledger.pauses.in_force import Stop
from notifications.messages.ids import receiver_hash
from notifications.messages.words import SuppressedFor
from notifications.models import Category
from tests.caller import Api, issue, json_of, stored
from users.people.models import Device, User
from users.recipients import preferences
from users.recipients.models import PreferenceEvent, Suppression
from users.recipients.own_page import links, views
from users.recipients.person import cell, chosen_by
from users.recipients.preferences import Changes, Source, change

FIELD = re.compile(r"<(select|input|option)\b([^>]*)>")
ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')


@pytest.fixture
def ann(db: None) -> User:
    for name, kind in (("news", "transactional"), ("offers", "promotional"), ("security", "mandatory")):
        Category.objects.create(name=name, kind=kind, on_by_default=kind != "promotional")
    user = User.objects.create(username="ann")
    for position, (channel, address) in enumerate([("EMAIL", "ann@example.com"), ("SMS", "+4915112345678")]):
        Device.objects.create(user=user, channel=channel, address=address, position=position)
    return user


@pytest.fixture
def path(ann: User) -> str:
    return f"/p/{links.token_of('ann')}"


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def attributes(tag: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in ATTRIBUTE.findall(tag)}


def fields_of(page: Any) -> dict[str, str]:
    """What a browser would post of the page as it is."""
    found: dict[str, str] = {}
    select = ""
    for tag, rest in FIELD.findall(page.content.decode()):
        given = attributes(rest)
        if tag == "select":
            select = given["name"]
        elif tag == "option":
            found.setdefault(select, given.get("value", ""))
            if "selected" in given:
                found[select] = given.get("value", "Europe/Berlin")
        elif given.get("type") != "checkbox" or "checked" in given:
            found[given["name"]] = given.get("value", "")
    return found


def post(browser: Client, path: str, fields: dict[str, str], **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = urlencode(fields)
    return browser.post(path, body, content_type="application/x-www-form-urlencoded", headers=named)


def sentences_of(page: Any, category: str) -> list[str]:
    """The sentences of a category, as a reader sees them."""
    text = page.content.decode()
    group = text[text.index(f"<legend>{category}</legend>") :].partition("</fieldset>")[0]
    items = re.findall(r"<li>(.*?)</li>", group, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", item)) for item in items]


def test_the_link_leads_to_the_page(api: Api, ann: User, settings: Settings, browser: Client) -> None:
    settings.PUBLIC_URL = "https://notifications.example.com"
    answer = api.post("/users/ann/preferences/link", {})
    assert answer.status_code == 200
    url = urlsplit(json_of(answer)["url"])
    assert (url.scheme, url.netloc) == ("https", "notifications.example.com")
    assert browser.get(url.path).status_code == 200
    assert api.post("/users/bob/preferences/link", {}).status_code == 404
    assert Api(issue("send", "read", "configure")).post("/users/ann/preferences/link", {}).status_code == 403


def test_without_a_public_url_there_is_no_link_but_where_one_tries_it_out(
    api: Api, ann: User, settings: Settings
) -> None:
    settings.PUBLIC_URL, settings.EMBEDDED = "", False
    answer = api.post("/users/ann/preferences/link", {})
    assert (answer.status_code, json_of(answer)["code"]) == (409, "no_public_url")
    settings.EMBEDDED = True
    assert json_of(api.post("/users/ann/preferences/link", {}))["url"].startswith("http://testserver/p/")


def test_a_token_is_for_this_page_alone_ends_and_survives_a_new_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = links.token_of("ann")
    assert links.read(token) == "ann"
    assert links.read(links.token_of("𝒳" * 150)) == "𝒳" * 150
    assert links.read(signing.dumps("ann", salt="another purpose")) is None
    assert links.read(signing.dumps(["ann"], salt=links.SALT)) is None
    for wrong in ("", "x", token[:-1], token.replace(":", ";"), "x" * 100_000):
        assert links.read(wrong) is None
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, [settings.SECRET_KEY]
    assert links.read(token) == "ann"
    settings.SECRET_KEY_FALLBACKS = []
    assert links.read(token) is None
    old = links.token_of("ann")
    later = timezone.now().timestamp() + links.GOOD_FOR.total_seconds() + 5
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert links.read(old) is None


def test_reading_writes_nothing_and_leaves_no_trace_elsewhere(browser: Client, path: str) -> None:
    before = stored()
    for _ in range(3):
        page = browser.get(path)
        assert browser.head(path).status_code == 200
    assert stored() == before
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert "script" not in page.headers["Content-Security-Policy"]
    assert not page.cookies
    assert "<script" not in page.content.decode()


def test_each_category_says_what_will_happen_and_whose_choice_that_is(browser: Client, path: str) -> None:
    page = browser.get(path)
    assert sentences_of(page, "news") == [
        "E-mail is sent (as it comes by default)",
        "SMS is sent (as it comes by default)",
    ]
    off = "is not sent: it is off until you switch it on (as it comes by default)"
    assert sentences_of(page, "offers") == [f"E-mail {off}", f"SMS {off}"]
    assert sentences_of(page, "security") == [
        f"{channel} is sent at once, whatever you choose" for channel in ("E-mail", "SMS")
    ]
    assert "You cannot switch this off: it is mandatory." in page.content.decode()
    assert not [name for name in fields_of(page) if "security" in name]


def test_the_sentences_are_those_of_the_rules(browser: Client, path: str) -> None:
    hash = receiver_hash("EMAIL", "ann@example.com")
    Suppression.objects.create(address_hash=hash, channel="EMAIL", reason=SuppressedFor.BOUNCED)
    until = datetime(2099, 1, 31, 12, tzinfo=UTC)
    staff: Any = {"actor": "anna", "source": Source.STAFF}
    change("ann", Changes(paused_until=until, time_zone="Europe/Berlin"), **staff)
    assert sentences_of(browser.get(path), "news") == [
        "E-mail is not sent: messages to your address came back (as it comes by default)",
        "SMS waits until 2099-01-31 13:00 (as it comes by default)",
    ]
    change("ann", Changes(paused_until=None, all_off=True), **staff)
    assert sentences_of(browser.get(path), "news")[1] == "SMS is not sent: you switched it off (your choice)"


def test_what_is_changed_on_the_page_is_saved_and_nothing_else(browser: Client, path: str) -> None:
    fields = fields_of(browser.get(path))
    change("ann", Changes(choices={cell("offers", ""): True}), actor="shop", source=Source.API)  # in another window
    choice = f"choice.{cell('news', 'SMS')}"
    fields |= {choice: ">off", "time_zone": "Europe/Berlin", "quiet_start": "22:00", "quiet_end": "07:00"}
    page = post(browser, path, fields | {"paused_until": "2099-01-31T12:00"})
    assert page.status_code == 200
    assert '<p role="status" class="notice">Your choices are saved.</p>' in page.content.decode()
    chosen = preferences.of("ann")
    assert chosen.choices.keys() == {cell("offers", ""), cell("news", "SMS")}
    assert (chosen.time_zone, chosen.paused_until) == ("Europe/Berlin", datetime(2099, 1, 31, 11, tzinfo=UTC))
    assert preferences.in_words(chosen.quiet) == "22:00 to 07:00"
    events = PreferenceEvent.objects.filter(source="page")
    assert {event.what for event in events} == {"time zone", "quiet hours", "paused until", "news on SMS"}
    assert {(event.actor, event.address) for event in events} == {("the person", "127.0.0.0/24")}
    again = fields_of(page)
    assert again[choice] == "off>off"
    assert post(browser, path, again).status_code == 200
    assert PreferenceEvent.objects.filter(source="page").count() == 4
    emptied = again | {choice: "off>", "quiet_start": "", "quiet_end": "", "paused_until": "", "time_zone": ""}
    post(browser, path, emptied)
    chosen = preferences.of("ann")
    assert (chosen.quiet, chosen.paused_until, chosen.time_zone) == (None, None, None)
    assert chosen.choices.keys() == {cell("offers", "")}


def test_everything_off_and_on_again(browser: Client, path: str) -> None:
    off = post(browser, path, fields_of(browser.get(path)) | {"all_off": "yes"})
    assert not chosen_by(preferences.of("ann"), "news", "EMAIL")
    on = fields_of(off)
    del on["all_off"]
    post(browser, path, on)
    assert chosen_by(preferences.of("ann"), "news", "EMAIL") is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"quiet_start": "22:00"}, "Quiet hours: Must have a start and an end such as 22:00 and 07:00."),
        ({"quiet_start": "22:00", "quiet_end": "22:00"}, "Quiet hours: Must not start and end at the same time."),
        ({"paused_until": "2020-01-01T00:00"}, "Pause until: Must be in the future, and before the year 9000."),
        ({"paused_until": "tomorrow"}, "Pause until: Must be a date and a time."),
        ({"time_zone": "Europe/Atlantis"}, "Time zone: Must be a time zone such as Europe/Berlin."),
    ],
)
def test_what_is_wrong_is_named_and_nothing_of_the_form_is_lost(
    browser: Client, path: str, wrong: dict[str, str], why: str
) -> None:
    choice = f"choice.{cell('news', '')}"
    fields = fields_of(browser.get(path)) | {choice: ">off"} | wrong
    page = post(browser, path, fields)
    assert page.status_code == 400
    assert f"<li>{why}</li>" in page.content.decode()
    assert fields_of(page)[choice] == ">off"
    assert stored().keys() == {"User", "Device"}


@pytest.mark.parametrize("name", ["choice.:", "choice.:nows", "choice.PIGEON:news", "choice.", "choice.EMAIL", "x"])
def test_what_no_page_of_ours_could_post_changes_nothing(browser: Client, path: str, name: str) -> None:
    assert post(browser, path, {name: ">off"}).status_code == 200
    assert post(browser, path, {"choice.:news": ">maybe"}).status_code == 200
    assert stored().keys() == {"User", "Device"}


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain"])
def test_another_body_than_a_form_is_refused(browser: Client, path: str, kind: str) -> None:
    assert browser.post(path, b'{"all_off": true}', content_type=kind).status_code == 400
    large = {"all_off": "x" * 1_100_000}
    assert post(browser, path, large).status_code == 400
    assert post(browser, path, {f"f{number}": "" for number in range(5_001)}).status_code == 400
    assert stored().keys() == {"User", "Device"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({}, 200),
    ],
)
def test_a_form_of_another_site_is_refused(browser: Client, path: str, headers: dict[str, str], status: int) -> None:
    assert post(browser, path, {"all_off": "yes"}, **headers).status_code == status
    assert (preferences.of("ann").all_off_at is not None) is (status == 200)


def test_who_left_the_directory_has_no_page(browser: Client, path: str) -> None:
    User.objects.all().delete()
    assert (browser.get(path).status_code, post(browser, path, {"all_off": "yes"}).status_code) == (404, 404)
    assert browser.get("/p/nonsense").status_code == 404
    assert browser.put(path).status_code == 405


def test_nobody_fills_the_record_with_a_link(browser: Client, path: str) -> None:
    event = {"username": "ann", "actor": "ann", "source": "page", "what": "news"}
    PreferenceEvent.objects.bulk_create(PreferenceEvent(**event) for _ in range(views.MOST_CHANGES))
    assert post(browser, path, {"all_off": "yes"}).status_code == 429
    PreferenceEvent.objects.update(at=timezone.now() - timedelta(hours=2))
    assert post(browser, path, {"all_off": "yes"}).status_code == 200


def test_while_the_platform_is_read_only_it_shows_so_and_saves_nothing(
    browser: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only.mode, "in_force", lambda: Stop.__new__(Stop))
    monkeypatch.setattr(Stop, "left", lambda _: 30.0)
    page = browser.get(path)
    assert "The platform is read-only for maintenance. You can look" in page.content.decode()
    assert '<button class="first" disabled>' in page.content.decode()
    refused = post(browser, path, {"all_off": "yes"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "Nothing was changed." in refused.content.decode()
    assert preferences.of("ann").all_off_at is None


def test_without_the_database_it_says_so(browser: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: str) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(preferences, "of", fails)
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")


def test_names_are_shown_and_not_run(browser: Client, path: str) -> None:
    name = '"><script>alert(1)</script>'
    Category.objects.create(name=name)
    page = browser.get(path)
    assert "<script>" not in page.content.decode()
    post(browser, path, {f"choice.{cell(name, '')}": ">off"})
    assert preferences.of("ann").choices.keys() == {cell(name, "")}
