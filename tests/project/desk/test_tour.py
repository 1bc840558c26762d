"""The tour in a real browser, on the demo's week: a problem, the question of its run, the run, its summary."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from dlq.models import DeadLetter, Problem, Run
from dlq.problems import counts as problem_counts
from notifications.models import StaffAction
from project.demo.seed import seed
from tests.browser import log_in, page
from tests.desk import PASSWORD, superuser
from tests.dlq.runs.beginning import arrive, step

__all__ = ["page"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
REASON = "The mailboxes have been emptied"


def test_from_the_problem_over_the_question_and_the_run_to_its_summary(page: Page) -> None:
    superuser("anna", PASSWORD)
    seed()
    problem_counts.count(every=0)
    problem = Problem.objects.get(cause="mailbox-full")
    expired = problem.letters.filter(expires_at__lt=timezone.now()).count()
    fresh = problem.open_letters - expired
    assert (expired, fresh) == (1, 7)
    log_in(page, "/admin/dlq/problem/")
    expect(page.locator("#result_list tbody").first).to_contain_text("Text refused")  # what grows comes first
    page.get_by_role("link", name="Mailbox full").click()
    expect(page.get_by_text("What usually helps")).to_be_visible()
    page.get_by_role("link", name="Replay …").click()
    expect(page.get_by_text(f"Send {problem.open_letters} letters again?")).to_be_visible()
    expect(page.get_by_text(f"{expired} Expired, of a sensitive category")).to_be_visible()
    expect(page.locator("#going")).to_have_text(str(fresh))
    expect(page.get_by_label("Why are they sent again?")).to_be_focused()
    page.keyboard.type(REASON)
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_text("To be looked at")).to_be_visible()
    _sent(fresh)
    expect(page.get_by_text("Done.")).to_be_visible()  # the page renews itself
    expect(page.locator(".desk-figures")).to_contain_text(f"Sent{fresh}")
    expect(page.locator(".desk-figures")).to_contain_text(f"Left alone{expired}")
    assert StaffAction.objects.filter(actor="anna", reason=REASON).count() == 1
    expect(page.get_by_text(REASON)).to_be_visible()


def _sent(letters: int) -> None:
    """Does what scheduler and senders do with a run: takes its letters, sends all, and counts them."""
    step()
    assert DeadLetter.objects.filter(run=Run.objects.latest("pk"), state=DeadLetter.State.REPLAYING).count() == letters
    arrive()
    step()
