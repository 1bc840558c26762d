"""The page of a link in a real browser: without scripts, on a small screen, with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from notifications.messages.ids import receiver_hash
from tests.browser import page, serious
from users.recipients.models import Suppression
from users.recipients.unsubscribing.tokens import Link, token_of

__all__ = ["page"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_somebody_unsubscribes_undoes_it_and_stops_everything(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"/u/{token_of(Link('EMAIL', 'a-long-category-' * 6, '', receiver_hash('EMAIL', 'bob@example.com')))}")
    expect(page, "Do you want no more of these e-mails?")
    assert not Suppression.objects.exists()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("role=status")
    expect(page, "You get no more of these e-mails")
    page.click("text=Undo")
    page.wait_for_selector("text=Stop them")
    assert not Suppression.objects.exists()
    page.click("text=Stop everything")
    page.wait_for_selector("text=Nothing is sent to you any more")
    expect(page, "You get no more of these e-mails")
    page.goto("/u/wrong")
    expect(page, "This link does not work")


def expect(page: Page, title: str) -> None:
    """Looks at one state of the page: its title, its width, its style, and what axe-core finds."""
    assert page.inner_text("h1") == title
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "544px", "its style is loaded"
    assert serious(page) == []
