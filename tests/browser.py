"""A real browser for tests of pages. A test module imports the fixture `page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from harness.services.shared import skip_without
from tests.desk import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
SERIOUS = ("serious", "critical")
FINDINGS = "axe.run({resultTypes: ['violations']}).then(found => found.violations)"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser's page. Playwright keeps an event loop in this thread, which Django takes for async code."""
    skip_without(None if CHROMIUM.exists() else "Chromium")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as browser,
    ):
        yield browser.new_page(base_url=live_server.url)


def log_in(page: Page, address: str) -> None:
    page.goto(f"/admin/login/?next={address}")
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")


def serious(page: Page) -> list[str]:
    """Returns what axe-core finds on the page as it is: the rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: list[dict[str, Any]] = page.evaluate(FINDINGS)  # the findings alone: all the rest is long
    bad = [violation for violation in found if violation["impact"] in SERIOUS]
    return [f"{each['id']}: {node['target']} {node['html'][:200]}" for each in bad for node in each["nodes"][:3]]


def press_until(page: Page, key: str, reached: str, *, most: int = 80) -> None:
    """Presses a key until the focus is on an element that the selector names."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", reached):
            return
    raise AssertionError(f"{most} times {key} and never on {reached}")
