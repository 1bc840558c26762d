"""The overview in a real browser: it renews itself while somebody looks at it, and its bars open lists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from notifications.models import Standing, WorkerHeartbeat
from tests.browser import log_in, page
from tests.desk import PASSWORD, superuser
from tests.project.operations.overview import alive, counted, minute

__all__ = ["page"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RENEWED = 16_000  # milliseconds


@pytest.fixture
def errors(page: Page) -> list[str]:
    """What the browser complains about."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def open_overview(page: Page) -> None:
    superuser("anna", PASSWORD)
    page.clock.install()
    log_in(page, "/admin/")
    expect(page.locator("[data-part=verdict]")).to_be_visible()
    page.wait_for_selector("figure canvas[role=img]", state="attached")  # its script has begun


def test_it_renews_itself_while_somebody_looks_at_it(page: Page, errors: list[str]) -> None:
    alive()
    minute(40, ago=timedelta(minutes=2))
    open_overview(page)
    errors.clear()  # of the page before
    verdict, row = (
        page.locator("[data-part=verdict]"),
        page.locator("[data-part=channels] [role=row]", has_text="E-mail"),
    )
    expect(verdict).to_contain_text("All is well.")
    expect(row).to_contain_text("sending")
    page.get_by_text("The same as a table").click()
    page.locator("body").click(position={"x": 700, "y": 5})
    counted(waiting={"EMAIL": {"retry": {"rows": 1234, "oldest": None}}})
    page.clock.run_for(RENEWED)
    expect(row).to_contain_text("1,234")
    expect(page.locator(".desk-hours")).to_be_visible()
    WorkerHeartbeat.objects.all().delete()
    minute(500, ago=timedelta(hours=2))  # another bar, whatever minute it is by now
    page.clock.run_for(RENEWED)
    expect(verdict).to_contain_text("No sender is alive")
    assert (
        page.evaluate("Math.max(...Chart.getChart(document.querySelector('figure canvas')).data.datasets[0].data)")
        == 500
    )
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    Standing.objects.all().delete()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(2 * RENEWED)
    assert asked == []
    assert errors == []


def test_a_part_with_the_focus_stays_as_it_is(page: Page) -> None:
    alive()
    minute(40, ago=timedelta(minutes=2))
    open_overview(page)
    link = page.locator("[data-part=channels] a").first
    link.focus()
    WorkerHeartbeat.objects.all().delete()
    page.clock.run_for(RENEWED)
    expect(page.locator("[data-part=verdict]")).to_contain_text("No sender is alive")
    expect(link).to_be_focused()


def test_a_bar_opens_its_list(page: Page) -> None:
    alive()
    minute(40, ago=timedelta(hours=3))
    open_overview(page)
    place = page.evaluate(
        """() => {
            const chart = Chart.getChart(document.querySelector("figure canvas"));
            chart.update("none");
            const bars = chart.getDatasetMeta(0).data;
            const bar = bars.reduce((one, other) => (other.base - other.y > one.base - one.y ? other : one));
            return { x: bar.x, y: (bar.y + bar.base) / 2 };
        }"""
    )
    page.locator("figure canvas").first.click(position=place)
    page.wait_for_url("**/notifications/notification/?**status=sent**")
