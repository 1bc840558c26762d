"""A person's own page in a real browser: without scripts, without a mouse, on a phone, and for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from notifications.models import Category
from tests.browser import page, press_until, serious
from users.people.models import Device, User
from users.recipients import preferences
from users.recipients.models import PreferenceEvent
from users.recipients.own_page import links
from users.recipients.person import cell

__all__ = ["page"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def address() -> str:
    user = User.objects.create(username="ann")
    for position, (channel, to) in enumerate([("EMAIL", "ann@example.com"), ("SMS", "+4915112345678")]):
        Device.objects.create(user=user, channel=channel, address=to, position=position)
    Category.objects.create(name="news")
    Category.objects.create(name="security", kind="mandatory")
    Category.objects.create(name="a very long name of a category" * 3)
    return f"/p/{links.token_of('ann')}"


@pytest.fixture
def without_scripts(page: Page, live_server: LiveServer) -> Iterator[Page]:
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(java_script_enabled=False, base_url=live_server.url) as context:
        yield context.new_page()


def test_it_is_accessible_and_fits_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious(page) == []
        page.get_by_label("Quiet hours from").fill("22:00")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("Quiet hours")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious(page) == []


def test_a_choice_is_made_and_saved_by_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    news = page.get_by_role("group", name="news")
    press_until(page, "Tab", f"select[name='choice.{cell('news', 'SMS')}']")
    page.keyboard.press("End")
    assert PreferenceEvent.objects.count() == 0  # nothing is sent before the button
    press_until(page, "Tab", "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your choices are saved.")
    expect(news).to_contain_text("SMS is not sent: you switched it off (your choice)")
    expect(news).to_contain_text("E-mail is sent (as it comes by default)")
    assert preferences.of("ann").choices[cell("news", "SMS")].on is False


def test_it_works_without_scripts(without_scripts: Page, address: str) -> None:
    page = without_scripts
    page.goto(address)
    page.get_by_label("Switch off everything that is not mandatory").check()
    page.get_by_label("Your time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your choices are saved.")
    expect(page.get_by_role("group", name="security")).to_contain_text("E-mail is sent at once, whatever you choose")
    expect(page.get_by_role("group", name="news")).to_contain_text("E-mail is not sent: you switched it off")
    assert (preferences.of("ann").time_zone, PreferenceEvent.objects.count()) == ("Europe/Berlin", 2)
