"""One walk through the support desk with a real browser: log in, open a dead letter, replay it, see the result."""

from __future__ import annotations

from base64 import b32decode
from typing import Any

import pytest
from django_otp.oath import totp
from playwright.sync_api import Page, expect

from notifications.models import SandboxMessage
from tests.browser import log_in, page
from tests.desk import PASSWORD, letter, row_of, superuser
from tests.dlq.runs.beginning import arrive, expired, many, step

__all__ = ["page"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_log_in_and_replay_a_dead_letter(page: Page) -> None:
    superuser("anna", PASSWORD)
    dead, other = letter(), letter()
    page.goto("/admin/login/")
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("link", name=f"#{dead.pk}", exact=True).click()
    expect(page.get_by_role("heading", name="Not delivered: we could not reach the provider")).to_be_visible()
    page.get_by_role("link", name="Replay", exact=True).click()
    expect(page.get_by_text(f"Replay dead letter {dead.pk}?")).to_be_visible()
    assert row_of(dead).generation == 0
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text(f"Dead letter {dead.pk} replayed: due now")).to_be_visible()
    expect(page.get_by_text("anna replayed it")).to_be_visible()
    assert row_of(dead).generation == 1
    assert row_of(other).generation == 0


def test_the_filters_are_reached_by_keyboard(page: Page) -> None:
    superuser("anna", PASSWORD)
    letter()
    log_in(page, "/admin/dlq/deadletter/")
    page.locator("#searchbar").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Filters")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#filter-form")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#filter-form') !== null")
    page.keyboard.press("Escape")
    expect(page.locator("#filter-form")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 380])
def test_no_word_is_too_long_for_its_place(page: Page, width: int) -> None:
    superuser("anna", PASSWORD)
    word = "W" * 255
    dead = letter(subject=word, reference=word, user="u" * 150, last_error="e" * 900)
    assert dead.notification_id
    SandboxMessage.objects.create(notification_id=dead.notification_id, channel="EMAIL", subject=word, message=word)
    page.set_viewport_size({"width": width, "height": 900})
    lists = ("dlq/deadletter", "notifications/notification", "notifications/sandboxmessage")
    pages = (f"dlq/deadletter/{dead.pk}/change", f"notifications/notification/{dead.notification_id}/change")
    log_in(page, "/admin/")
    for address in (*lists, *pages):
        page.goto(f"/admin/{address}/")
        over = page.evaluate(
            "[...document.querySelectorAll('main *, #page *')].filter(each => !each.children.length"
            " && each.textContent.length > 99 && (each.getBoundingClientRect().right > innerWidth"
            " || each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline'))"
            ".map(each => each.className)"
        )
        assert over == [], address


def test_a_second_factor_is_set_up_and_asked_for(page: Page, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    superuser("anna", PASSWORD)
    log_in(page, "/admin/dlq/deadletter/")
    expect(page.get_by_role("img", name="The secret as a QR code")).to_be_visible()
    key = b32decode(page.locator("#secret").inner_text())
    page.locator("#id_code").fill(f"{totp(key):06d}")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("From now on each log-in asks for a code")).to_be_visible()
    page.context.clear_cookies()
    log_in(page, "/admin/dlq/deadletter/")
    expect(page.get_by_text("Type the code that your authenticator app shows")).to_be_visible()
    page.locator("#id_code").fill(f"{totp(key, drift=1):06d}")  # the next one: the first was used
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#searchbar")).to_be_visible()


def test_replay_a_selection_from_the_list(page: Page) -> None:
    superuser("anna", PASSWORD)
    chosen = [letter(), letter()]
    left = letter()
    log_in(page, "/admin/dlq/deadletter/")
    for dead in chosen:
        page.locator(f"input.action-select[value='{dead.pk}']").check()
    page.select_option("select[name=action]", "replay_selected")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Send 2 letters again?")).to_be_visible()
    page.get_by_label("Why are they sent again?").fill("The provider works again")
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_text("The provider works again")).to_be_visible()
    step()
    page.goto("/admin/dlq/deadletter/")
    expect(page.get_by_role("link", name=f"#{left.pk}", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=f"#{chosen[0].pk}", exact=True)).to_have_count(0)


def test_a_run_from_its_question_to_its_summary(page: Page) -> None:
    superuser("anna", PASSWORD)
    old = expired()
    many(3, provider="smtp")
    log_in(page, "/admin/dlq/deadletter/")
    page.get_by_role("button", name="Replay all that match").click()
    going = page.locator("#going")
    expect(going).to_have_text("3")
    page.get_by_label("1 expired").check()
    expect(going).to_have_text("4")
    expect(page.get_by_label("The new expiry")).to_be_visible()
    page.get_by_label("1 expired").uncheck()
    expect(page.get_by_label("The new expiry")).to_be_hidden()
    page.get_by_label("Why are they sent again?").fill("The provider works again")
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_text("On their way")).to_be_visible()
    step()
    arrive()
    step()
    expect(page.get_by_text("Done.")).to_be_visible()  # the page renews itself
    expect(page.locator(".desk-figures")).to_contain_text("Sent3")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    assert row_of(old).generation == 0


def test_no_page_breaks_the_policy_of_its_contents(page: Page) -> None:
    """What the policy forbids, a browser says in its console."""
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    superuser("anna", PASSWORD)
    dead = letter()
    page.goto("/admin/login/")
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    letters = ("dlq/deadletter/", f"dlq/deadletter/{dead.pk}/change/", "notifications/notification/")
    for path in ("", *letters, "users/user/add/", "users/apikey/add/", "auth/user/add/"):
        page.goto(f"/admin/{path}", wait_until="networkidle")
    page.goto("/docs", wait_until="networkidle")
    expect(page.get_by_text("Send a notification").first).to_be_visible()
    assert [text for text in messages if "404" not in text] == []  # there is no favicon
