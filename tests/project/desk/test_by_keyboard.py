"""The lists without a mouse, on a phone's width, and with what goes wrong on the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause
from tests.browser import log_in, page, press_until, serious
from tests.desk import PASSWORD, letter, superuser

__all__ = ["page"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/dlq/deadletter/"


def test_a_letter_is_found_and_opened_without_a_mouse(page: Page) -> None:
    superuser("anna", PASSWORD)
    wanted = letter(last_cause=Cause.MAILBOX_FULL)
    letter(last_cause=Cause.TIMEOUT)
    log_in(page, LIST)
    expect(page.locator("#result_list tbody")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    press_until(page, "Tab", "button[aria-controls=changelist-filter]")
    page.keyboard.press("Enter")
    expect(page.locator("#filter-form")).to_be_visible()
    assert serious(page) == []
    press_until(page, "Tab", "select[name=cause] + .select2-container .select2-selection")
    page.keyboard.press("Enter")
    expect(page.locator(".select2-search__field")).to_be_focused()
    page.keyboard.type("mailbox full")
    expect(page.locator(".select2-results__option--highlighted")).to_have_text("mailbox full")
    page.keyboard.press("Enter")
    expect(page.locator("select[name=cause]")).to_have_value("mailbox-full")
    press_until(page, "Tab", "#filter-form button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**cause=mailbox-full**")
    expect(page.locator("#result_list tbody")).to_have_count(1)
    expect(page).to_have_title(re.compile("Dead letters: open, mailbox full, 1"))
    press_until(page, "Tab", f"#result_list a[href*='/{wanted.pk}/change/']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{wanted.pk}/change/**")


def test_a_chip_takes_its_filter_away(page: Page) -> None:
    superuser("anna", PASSWORD)
    letter(last_cause=Cause.MAILBOX_FULL)
    letter(last_cause=Cause.TIMEOUT)
    log_in(page, f"{LIST}?cause=timeout")
    expect(page.locator("#result_list tbody")).to_have_count(1)
    page.get_by_role("link", name="Remove the filter cause").click()
    expect(page.locator("#result_list tbody")).to_have_count(2)
    page.get_by_role("link", name="Remove the filter state").click()
    page.wait_for_url("**state=all**")


@pytest.mark.parametrize("query", ["", "?cause=timeout&again=yes&category=a-long-category-name", "?state=all"])
def test_a_list_on_a_phone_does_not_scroll_sideways(page: Page, query: str) -> None:
    superuser("anna", PASSWORD)
    word = "W" * 255
    dead = letter(last_cause=Cause.TIMEOUT, subject=word, user="u" * 150, last_error="e" * 900, category="c" * 64)
    DeadLetter.objects.filter(pk=dead.pk).update(deaths=12, uncertain=True)
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, f"{LIST}{query}")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_a_list_is_downloaded_as_a_file(page: Page) -> None:
    superuser("anna", PASSWORD)
    dead = letter(last_cause=Cause.TIMEOUT)
    letter(last_cause=Cause.BUG)
    log_in(page, f"{LIST}?cause=timeout")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    lines = started.value.path().read_text("utf-8-sig").splitlines()
    assert [line.partition(",")[0] for line in lines] == ["letter", str(dead.pk)]


def test_an_empty_list_says_what_would_be_here(page: Page) -> None:
    superuser("anna", PASSWORD)
    log_in(page, "/admin/notifications/notification/")
    expect(page.get_by_text("Every notification that an application sends is here")).to_be_visible()
    expect(page.get_by_role("link", name="the page of the API")).to_have_attribute("href", "/docs")
    page.goto("/admin/notifications/notification/?status=dead")
    expect(page.get_by_text("There is no notification with these filters: status not delivered.")).to_be_visible()
