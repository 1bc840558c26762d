"""Ctrl-K in a real browser: what is typed leads to the person, and stands in no URL, no referrer and no log."""

from __future__ import annotations

import logging

import pytest
from playwright.sync_api import Page, Request, expect

from notifications.messages.words import Status
from tests.browser import log_in, page
from tests.desk import PASSWORD, letter, notification, superuser
from users.people.models import Device, User

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADDRESS = "Anna.Berg@example.com"
WEBHOOK = "https://hooks.slack.com/services/T024BE7LD/B0AAAA/abcdefSECRET"


@pytest.fixture
def urls(page: Page) -> list[str]:
    """Every URL that the browser asks for, with its referrer."""
    found: list[str] = []

    def note(request: Request) -> None:
        found.extend((request.url, request.headers.get("referer", "")))

    page.on("request", note)
    return found


def find(page: Page, term: str) -> None:
    expect(page.locator("#desk-find-box")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#desk-find-box")).to_be_focused()
    page.keyboard.type(term)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_an_address_leads_to_its_person_and_stands_in_no_url(
    page: Page, urls: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="django.request")
    superuser("anna", PASSWORD)
    user = User.objects.create(username="u1", name="Anna Berg")
    for channel, address in (("EMAIL", ADDRESS), ("SLACK", WEBHOOK)):
        Device.objects.create(user=user, channel=channel, address=address)
        letter(channel=channel, receiver=address, user="u1")
    log_in(page, "/admin/dlq/deadletter/")
    find(page, ADDRESS.lower())
    expect(page.get_by_role("heading", name="Open cases")).to_be_visible()
    expect(page.get_by_text("2 cases are open")).to_be_visible()
    find(page, WEBHOOK)
    expect(page.get_by_text("2 cases are open")).to_be_visible()
    find(page, "nobody@example.com")
    expect(page.get_by_text("as an e-mail address, a user,")).to_be_visible()
    page.go_back()
    page.go_forward()
    expect(page.get_by_text("as an e-mail address, a user,")).to_be_visible()
    secret = ("anna.berg", "example.com", "nobody", "hooks.slack.com", "abcdefsecret", "%40")
    assert [url for url in urls if any(each in url.lower() for each in secret)] == []
    assert not any(each in caplog.text.lower() for each in secret)


def test_the_box_is_on_every_page_and_one_hit_is_opened(page: Page) -> None:
    superuser("anna", PASSWORD)
    row = notification(status=Status.SENT, reference="order-7")
    dead = letter()
    log_in(page, "/admin/")
    case, ledger = f"dlq/deadletter/{dead.pk}/change/", "notifications/notification/"
    for place in ("", "dlq/deadletter/", case, ledger, f"{ledger}{row.pk}/change/", "users/user/add/", "find/"):
        page.goto(f"/admin/{place}")
        page.keyboard.press("Control+k")
        box = page.locator("#find-again" if place == "find/" else "#desk-find-box")
        expect(box).to_be_focused()
    page.goto("/admin/users/user/")
    find(page, "ORDER-7")
    assert str(row.pk) in page.url


def test_on_a_narrow_screen_ctrl_k_leads_to_the_page_of_the_box(page: Page) -> None:
    superuser("anna", PASSWORD)
    page.set_viewport_size({"width": 390, "height": 800})
    log_in(page, "/admin/dlq/deadletter/")
    expect(page.get_by_role("link", name="Find")).to_be_visible()
    with page.expect_navigation():
        page.keyboard.press("Control+k")
    expect(page.locator("#find-again")).to_have_attribute("autofocus", "")
    expect(page.locator("#find-again")).to_be_visible()
    expect(page.locator("#desk-find-box")).to_be_hidden()
