"""Every page of the admin that links lead to, in a real browser: can everybody use it, whatever they see it with?

A page that somebody adds is walked without a word here, as long as a link leads to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, ViewportSize
from pytest_django.live_server_helper import LiveServer

from tests.browser import log_in, page, serious
from tests.desk import PASSWORD, superuser
from tests.project.desk.test_permissions import rows

__all__ = ["page", "rows"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

MOST_PAGES = 200
# Of addresses that differ in these alone, one is walked.
NAMES = re.compile(r"/(\d+|[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27})(?=/)")
LINKS = '[...document.querySelectorAll(\'a[href^="/admin/"], a[href^="?"], main a[href]\')].map(each => each.href)'
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
IS_DARK = "document.documentElement.classList.contains('dark')"
# As the switch of the theme does it, and without waiting until the colours have faded over.
DARKEN = """
    document.documentElement.classList.add('dark');
    document.getAnimations().filter(each => each instanceof CSSTransition).forEach(each => each.finish())
"""
# What reaches over the right edge, unless it scrolls inside something that does not.
SCROLLS = "document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"


def walked(page: Page, home: str) -> Iterator[str]:
    """Goes to the first page and to every one that links lead to. Yields each address while its page is shown."""
    known: set[str] = set()
    waiting = [home]
    while waiting and len(known) < MOST_PAGES:
        address = waiting.pop(0)
        kind = NAMES.sub("/N", address.partition("?")[0])
        if kind in known:
            continue
        known.add(kind)
        page.goto(address, wait_until="networkidle")
        waiting += [link.partition("#")[0] for link in page.evaluate(LINKS) if link.startswith(f"{home}")]
        yield address


@pytest.mark.usefixtures("rows")
def test_every_page_is_for_everybody(page: Page, live_server: LiveServer) -> None:
    """Wide and light as it comes, then narrow and dark: without a serious finding of axe-core, an error in the
    console, anything from elsewhere, or a page that scrolls sideways."""
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    def look(request: Request) -> None:
        if not request.url.startswith((f"{live_server.url}/", "data:", "blob:")):
            wrong.append(f"from elsewhere: {request.url}")

    page.on("console", listen)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", look)
    superuser("anna", PASSWORD)
    page.add_init_script("localStorage.setItem('adminTheme', '\"light\"')")
    page.set_viewport_size(WIDE)
    log_in(page, "/admin/")
    count = 0
    for address in walked(page, f"{live_server.url}/admin/"):
        count += 1
        wrong += [f"{address}: {finding}" for finding in found(page)]
        page.set_viewport_size(NARROW)
        page.evaluate(DARKEN)
        wrong += [f"{address}, narrow and dark: {finding}" for finding in found(page)]
        page.set_viewport_size(WIDE)
    assert not wrong, "\n".join(wrong)
    assert count > 30


def found(page: Page) -> Iterator[str]:
    """What is wrong with the page as it is now."""
    yield from serious(page)
    if page.evaluate(SCROLLS):
        yield "scrolls sideways"
    if "chevron_right" in page.inner_text("h1"):
        yield "an icon's name in the heading"
    if page.locator("main").count() != 1:
        yield f"{page.locator('main').count()} main landmarks"


def test_the_pages_before_a_log_in(page: Page) -> None:
    for address in ("/admin/login/", "/admin/login/?next=/admin/nothing/"):
        page.goto(address, wait_until="networkidle")
        assert serious(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_what_is_not_there(page: Page, theme: str) -> None:
    superuser("anna", PASSWORD)
    page.add_init_script(f"localStorage.setItem('adminTheme', '\"{theme}\"')")
    log_in(page, "/admin/nothing/")
    assert page.evaluate(IS_DARK) is (theme == "dark")
    assert "There is nothing at this address" in page.inner_text("main")
    assert serious(page) == []
