"""The page of a notification in a real browser: copying, the language, narrow and wide."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from notifications.channels.outcomes import Cause
from tests.browser import log_in, page
from tests.desk import PASSWORD, letter, row_of, superuser

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def opened(page: Page) -> None:
    superuser("anna", PASSWORD)
    words = {"subject": "W" * 255, "reference": "W" * 255, "user": "u" * 150, "last_error": "552 " + "x" * 900}
    dead = letter(last_cause=Cause.MAILBOX_FULL, message="W" * 900, **words)
    log_in(page, f"/admin/notifications/notification/{row_of(dead).pk}/change/")
    expect(page.get_by_role("heading", level=2, name="Not delivered: the mailbox was full")).to_be_visible()


def test_the_answer_the_id_and_the_link_are_copied(page: Page) -> None:
    opened(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for button, source in (("Copy answer", "customer-answer"), ("Copy id", "its-id"), ("Copy link", "its-link")):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(f"#{source}").text_content()
    assert page.locator("#its-link").text_content() == page.url


def test_without_a_clipboard_the_text_is_copied_by_its_selection(page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    opened(page)
    page.get_by_role("button", name="Copy answer").click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert "your mailbox was full" in page.evaluate("getSelection().toString()")
    answer = page.locator("#customer-answer")
    assert answer.evaluate("each => getComputedStyle(each).userSelect") == "all"  # a click selects the whole text


def test_the_language_is_changed_by_keyboard(page: Page) -> None:
    opened(page)
    page.get_by_label("Language").focus()
    page.keyboard.press("ArrowUp")  # Deutsch stands before English
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Ihr Postfach war voll")).to_be_visible()
    assert page.url.endswith("?language=de")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_its_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    messages: list[str] = []
    page.on("pageerror", lambda error: messages.append(str(error)))
    opened(page)
    for each in page.locator("details").all():
        each.evaluate("each => { each.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert messages == []
