"""The list of problems, the page of one, and its verbs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dlq.admin.problems import problem_shown as shown_bars
from dlq.models import DeadLetter, Problem, Run
from dlq.problems import assigning as problems
from dlq.problems import counts as problem_counts
from notifications.channels.outcomes import Cause
from notifications.models import StaffAction, Standing
from project.desk.rights import Right
from tests.desk import letter, logged_in, staff, unreadable

pytestmark = pytest.mark.django_db
State = Problem.State
LIST = "admin:dlq_problem_changelist"


@pytest.fixture
def sam(db: None) -> Client:
    """Somebody who may read letters and say what is known about problems, and no more."""
    return logged_in(staff("sam", "dlq.view_problem", "dlq.change_problem", "dlq.view_deadletter"))


def made(*, count: int = 1, **fields: Any) -> Problem:
    """A problem with so many letters, counted."""
    fields = {"last_cause": Cause.REJECTED_CONTENT, "last_error": "554 5.7.1 spam", "provider": "smtp"} | fields
    letters = [letter(**fields) for _ in range(count)]
    problems.assign_all()
    problem_counts.count(every=0)
    return Problem.objects.get(letters=letters[0])


def page(problem: Problem) -> str:
    return reverse("admin:dlq_problem_change", args=[problem.pk])


def do(client: Client, problem: Problem, name: str, **fields: str) -> Any:
    """Presses the verb's button, on a page that shows the problem as the object here has it."""
    values = {"seen": problem.changed_at.isoformat()} | fields
    return client.post(reverse("admin:dlq_problem_verb", args=[problem.pk, name]), values)


def bars(page: str) -> list[int]:
    """The heights of the bars of the first picture."""
    (path,) = re.findall(r'<path d="(M0 32[^"]*)"', page)[:1]
    return [int(height) for height in re.findall(r"v-(\d+)h", path)]


def listed(client: Client, query: str = "") -> list[int]:
    return [row.pk for row in client.get(f"{reverse(LIST)}{query}").context["cl"].result_list]


def test_a_row_says_in_words_what_failed_how_often_and_since_when(sam: Client) -> None:
    made(count=21, last_error="554 5.7.1 <b>spam</b> for ann@example.org")
    shown = sam.get(reverse(LIST)).content.decode()
    for part in ("Text refused", "EMAIL over smtp", "21 in the last hour, 0 before", "growing", "just now", "&lt;b"):
        assert part in shown, part
    assert "<b>spam" not in shown
    assert "ann@example.org" not in shown
    assert "<title>21 letters in the last 24 hours, the most (21) in the hour from" in shown
    assert bars(shown) == [1] * 23 + [shown_bars.HEIGHT]


def test_the_list_begins_with_what_grows_and_leaves_out_what_needs_nobody(sam: Client) -> None:
    grows = made(count=21)
    later = made(last_error="550 later", last_cause=Cause.BUG)
    ignored, quiet, loud, closed = (made(last_error=f"{code} no") for code in (551, 552, 553, 555))
    Problem.objects.filter(pk=ignored.pk).update(state=State.IGNORED)
    Problem.objects.filter(pk=quiet.pk).update(state=State.KNOWN, quiet_below=50)
    Problem.objects.filter(pk=loud.pk).update(state=State.KNOWN)
    closed.letters.update(state=DeadLetter.State.DISCARDED)
    problem_counts.count(every=0)
    assert listed(sam) == [grows.pk, loud.pk, later.pk]
    assert listed(sam, "?state=ignored") == [ignored.pk]
    assert listed(sam, "?state=growing") == [grows.pk]
    assert len(listed(sam, "?state=all")) == 6
    assert listed(sam, "?q=552") == [quiet.pk]
    Problem.objects.filter(pk=quiet.pk).update(quiet_until=timezone.now() - timedelta(seconds=9))
    assert quiet.pk in listed(sam), "its time has come, although no scheduler noticed yet"


def test_the_list_asks_as_often_for_many_rows_as_for_one(sam: Client) -> None:
    counts = []
    for size in (1, 12):
        for number in range(size):
            made(last_error=f"{'z' * number} no")
        with CaptureQueriesContext(connection) as queries:
            sam.get(reverse(LIST))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_old_figures_are_called_old(sam: Client) -> None:
    made()
    assert "These figures are old" not in sam.get(reverse(LIST)).content.decode()
    Standing.objects.update(as_of=timezone.now() - timedelta(minutes=5))
    assert "These figures are old" in sam.get(reverse(LIST)).content.decode()


def test_the_page_says_what_it_means_what_helps_and_which_letters_are_open(sam: Client) -> None:
    problem = made(count=2, receiver="ann@example.org", last_error="554 5.7.1 spam for ann@example.org")
    DeadLetter.objects.filter(pk=DeadLetter.objects.latest("pk").pk).update(deaths=3)
    shown = sam.get(page(problem)).content.decode()
    for part in (
        *("The provider refused the text itself", "correct the text and replay", "554 5.7.1 spam"),
        *("died 3 times", f"?problem={problem.pk}", "Nobody judged it yet.", "7 days", "a…@example.org"),
    ):
        assert part in shown, part
    assert "ann@example.org" not in shown
    assert len(bars(shown)) == 7 * 24


def test_the_page_asks_as_often_for_many_letters_as_for_one(sam: Client) -> None:
    one, many = made(), made(count=15, last_error="550 x")
    counts = []
    for problem in (one, many):
        with CaptureQueriesContext(connection) as queries:
            sam.get(page(problem))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_its_runs_are_on_its_page_and_name_it_by_what_failed(sam: Client, supervisor: Client) -> None:
    problem = made()
    run = Run.objects.create(actor="anna", reason="it is up", selection={"problem": problem.pk}, last_letter=1, going=1)
    other = Run.objects.create(actor="anna", reason="", selection={"problem": problem.pk + 1}, last_letter=1)
    shown = supervisor.get(page(problem)).content.decode()
    assert reverse("admin:dlq_run_change", args=[run.pk]) in shown
    assert "asked for by anna" in shown
    assert "it is up" in shown
    assert reverse("admin:dlq_run_change", args=[other.pk]) not in shown
    named = f"problem {problem.pk} (text refused, EMAIL)"
    assert named in supervisor.get(reverse("admin:dlq_run_change", args=[run.pk])).content.decode()
    assert named in supervisor.get(reverse("admin:dlq_run_changelist")).content.decode()


def test_a_problem_of_unreadable_records_has_a_page(sam: Client) -> None:
    unreadable(b"{")
    problem = made()
    other = Problem.objects.exclude(pk=problem.pk).get()
    assert "not readable" in sam.get(page(other)).content.decode()


@pytest.mark.parametrize("key", ["0", "999", "x", "9" * 30])
def test_a_problem_that_does_not_exist_leads_to_the_list(sam: Client, key: str) -> None:
    answer = sam.get(f"/admin/dlq/problem/{key}/change/")
    assert (answer.status_code, answer["Location"]) == (302, reverse(LIST))


def test_staff_take_a_problem_and_give_it_back(sam: Client) -> None:
    problem = made()
    do(sam, problem, "take")
    problem.refresh_from_db()
    assert problem.owner == "sam"
    assert "Take it" not in sam.get(page(problem)).content.decode()
    do(sam, problem, "leave")
    problem.refresh_from_db()
    assert problem.owner == ""
    actions = StaffAction.objects.order_by("id").values_list("actor", "action", "target", "note")
    assert list(actions) == [
        ("sam", "take", f"problem {problem.pk}", "owner: – → sam"),
        ("sam", "leave", f"problem {problem.pk}", "owner: sam → –"),
    ]


def test_known_is_quiet_until_it_doubles_with_a_note_and_a_link(sam: Client) -> None:
    problem = made(count=30)
    do(sam, problem, "known", doubling="on", note="Their filter", link="https://tickets.example.org/7")
    problem.refresh_from_db()
    assert (problem.state, problem.quiet_below, problem.quiet_until) == (State.KNOWN, 60, None)
    assert (problem.note, problem.link) == ("Their filter", "https://tickets.example.org/7")
    assert listed(sam) == []
    shown = sam.get(page(problem)).content.decode()
    assert "It is quiet until more than 60 letters die of it in an hour." in shown
    assert 'href="https://tickets.example.org/7" rel="noopener noreferrer nofollow"' in shown
    made(count=31)
    assert listed(sam) == [problem.pk]


def test_known_needs_a_limit(sam: Client) -> None:
    problem = made()
    assert "Say until when it is quiet" in do(sam, problem, "known", note="x").content.decode()
    problem.refresh_from_db()
    assert problem.state == State.NEW


def test_fixed_and_ignored_and_watched_again(sam: Client) -> None:
    problem = made()
    for name, fields, state in (
        ("fixed", {}, State.FIXED),
        ("ignore", {"note": "never mind"}, State.IGNORED),
        ("watch", {}, State.NEW),
    ):
        assert do(sam, problem, name, **fields).status_code == 302
        problem.refresh_from_db()
        assert problem.state == state
    assert problem.note == "never mind"
    do(sam, problem, "fixed")
    made()
    problem.refresh_from_db()
    assert problem.state == State.BACK


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://example.org/x", "//example.org", "data:text/html,x"])
def test_a_link_is_http_or_https(sam: Client, link: str) -> None:
    problem = made()
    assert do(sam, problem, "note", note="x", link=link).status_code == 200
    problem.refresh_from_db()
    assert (problem.note, problem.link) == ("", "")


def test_a_note_has_at_most_a_thousand_characters(sam: Client) -> None:
    problem = made()
    assert do(sam, problem, "note", note="x" * 1001).status_code == 200
    assert do(sam, problem, "note", note="x" * 1000).status_code == 302


def test_of_two_people_the_second_sees_the_change_of_the_first_and_keeps_what_was_typed(
    sam: Client, anna: Client
) -> None:
    problem = made()
    assert do(sam, problem, "note", note="Their filter").status_code == 302
    shown = do(anna, problem, "note", note="My own words").content.decode()
    for part in ("Somebody else was first. sam changed its note at", "Their filter", "My own words"):
        assert part in shown, part
    problem.refresh_from_db()
    assert problem.note == "Their filter"
    assert problem.changed_at.isoformat().replace("+", "&#x2B;") in shown or problem.changed_at.isoformat() in shown
    assert do(anna, problem, "note", note="My own words").status_code == 302
    assert StaffAction.objects.count() == 2


@pytest.mark.parametrize("seen", ["", "yesterday", "2020-01-01T00:00:00"])
def test_a_page_without_the_time_that_was_seen_changes_nothing(sam: Client, seen: str) -> None:
    problem = made()
    assert "Somebody else was first" in do(sam, problem, "take", seen=seen).content.decode()
    assert Problem.objects.get().owner == ""


def test_get_asks_and_only_post_does(sam: Client) -> None:
    problem = made()
    for name in ("take", "known", "fixed", "ignore", "watch", "note"):
        assert sam.get(reverse("admin:dlq_problem_verb", args=[problem.pk, name])).status_code == 200
    assert Problem.objects.get().changed_at == problem.changed_at
    assert not StaffAction.objects.exists()
    assert sam.get(reverse("admin:dlq_problem_verb", args=[problem.pk, "explode"])).status_code == 404


def test_whoever_may_only_view_has_no_verbs(viewer: Client) -> None:
    problem = made()
    shown = viewer.get(page(problem)).content.decode()
    assert "You may read this, but not act on it." in shown
    assert "/do/" not in shown
    assert do(viewer, problem, "take").status_code == 403


def test_the_buttons_lead_to_what_is_done_with_its_letters_for_those_who_may(sam: Client, supervisor: Client) -> None:
    problem = made(count=2)
    shown = supervisor.get(page(problem)).content.decode()
    for name, arguments in (("run_ask", []), ("mend_ask", []), ("deadletter_matching", ["discard"])):
        address = f"{reverse(f'admin:dlq_{name}', args=arguments)}?problem={problem.pk}"
        assert f'href="{address}"' in shown
        assert supervisor.get(address).status_code == 200, address
    assert "Replay …" not in sam.get(page(problem)).content.decode()


def test_a_note_with_an_address_is_masked_for_whom_may_not_see_it(sam: Client, anna: Client) -> None:
    found = made()
    Problem.objects.update(note="joan@example.org asked")
    assert "joan@example.org" in anna.get(page(found)).content.decode()
    assert "joan@example.org" not in sam.get(page(found)).content.decode()


def test_no_button_leads_to_a_page_that_refuses(db: None) -> None:
    found = made()
    mends = logged_in(staff("mends", "dlq.view_problem", "dlq.view_deadletter", Right.MEND_MANY))
    reads = logged_in(staff("reads", "dlq.view_problem", Right.DISCARD, Right.REPLAY, Right.MEND_MANY, Right.REDIRECT))
    for client in (mends, reads):
        shown = client.get(page(found)).content.decode()
        for target in ("dlq_mend_ask", "dlq_run_ask"):
            assert f'href="{reverse(f"admin:{target}")}' not in shown
        assert "/matching/discard/" not in shown
    assert "The newest open letters" not in shown


def test_nobody_sees_problems_without_the_right(db: None) -> None:
    nobody = logged_in(staff("nobody", "dlq.view_deadletter"))
    problem = made()
    assert nobody.get(reverse(LIST)).status_code == 403
    assert nobody.get(page(problem)).status_code == 403
