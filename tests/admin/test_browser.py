"""One walk through the support desk with a real browser: log in, open a dead letter, replay it, see the result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.admin.desk import PASSWORD, letter, row_of, superuser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # A machine with Python and make alone must pass `make test` too; where CI is set a missing browser fails.
    pytest.mark.skipif(not CHROMIUM.exists() and os.environ.get("CI") != "true", reason="Chromium is not installed."),
]


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser's page. Playwright keeps an event loop in this thread, which Django takes for async code."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as browser,
    ):
        yield browser.new_page(base_url=live_server.url)


def test_log_in_and_replay_a_dead_letter(page: Page) -> None:
    superuser("anna", PASSWORD)
    dead, other = letter(), letter()
    page.goto("/admin/login/")
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("link", name=f"#{dead.pk}", exact=True).click()
    expect(page.get_by_text("We could not reach the provider")).to_be_visible()
    page.get_by_role("link", name="Replay", exact=True).click()
    expect(page.get_by_text(f"Replay dead letter {dead.pk}?")).to_be_visible()
    assert row_of(dead).generation == 0
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text(f"Dead letter {dead.pk} replayed: due now")).to_be_visible()
    expect(page.get_by_text("anna replayed it")).to_be_visible()
    assert row_of(dead).generation == 1
    assert row_of(other).generation == 0


def test_replay_a_selection_from_the_list(page: Page) -> None:
    superuser("anna", PASSWORD)
    chosen = [letter(), letter()]
    left = letter()
    page.goto("/admin/login/?next=/admin/dlq/deadletter/")
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    for dead in chosen:
        page.locator(f"input.action-select[value='{dead.pk}']").check()
    page.select_option("select[name=action]", "replay_selected")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Replay 2 dead letters?")).to_be_visible()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text("2 dead letters replayed")).to_be_visible()
    expect(page.get_by_role("link", name=f"#{left.pk}", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=f"#{chosen[0].pk}", exact=True)).to_have_count(0)
