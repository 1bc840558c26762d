"""The question before a run, the page of a run, and who may do what there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.admin.choosing import selecting
from dlq.models import DeadLetter, Run
from dlq.runs import steering as runs
from dlq.runs.groups import FRESH
from dlq.runs.steering import Asked
from dlq.selection import Selection
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status
from notifications.models import Job, StaffAction
from project.desk.rights import Right
from tests.desk import letter, logged_in, row_of, staff

pytestmark = pytest.mark.django_db

ASK = reverse("admin:dlq_run_ask")
LIST = reverse("admin:dlq_deadletter_changelist")
HOUR = timedelta(hours=1)


@pytest.fixture
def few(db: None) -> Client:
    return logged_in(staff("few", "dlq.view_deadletter", Right.REPLAY))


@pytest.fixture
def many(db: None) -> Client:
    return logged_in(staff("many", "dlq.view_deadletter", Right.REPLAY_MANY))


@pytest.fixture
def approver(db: None) -> Client:
    return logged_in(staff("approver", "dlq.view_run", Right.APPROVE))


def letters(count: int, **fields: Any) -> list[DeadLetter]:
    return [letter(**fields) for _ in range(count)]


def answered(client: Client, selection: Selection, *take: str, **more: str) -> Any:
    """The answer to a question about these letters."""
    given = {"selection": selecting.signed(selection), "take": take or (FRESH,), "rate": "50", "confirm": "yes"}
    return client.post(ASK, given | {"reason": "it works again"} | more)


def begun(count: int = 3, actor: str = "anna") -> Run:
    letters(count)
    return runs.begin(Asked(selection=Selection(), ticked=[FRESH], reason="why not"), actor)


def page(client: Client, run: Run) -> str:
    answer = client.get(reverse("admin:dlq_run_change", args=[run.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def do(client: Client, run: Run, verb: str, **given: str) -> int:
    return client.post(reverse("admin:dlq_run_verb", args=[run.pk, verb]), given).status_code


def test_the_question_has_a_number_for_each_group_and_writes_nothing(few: Client) -> None:
    letters(2)
    old = letter(expires_at=timezone.now() - HOUR, last_cause=Cause.TIMEOUT)
    DeadLetter.objects.filter(pk=old.pk).update(expires_at=timezone.now() - HOUR)
    answer = few.get(ASK)
    assert [(group.word, group.letters, group.ticked) for group in answer.context["groups"]] == [
        ("fresh", 2, True),
        ("expired", 1, False),
    ]
    assert f"{LIST}?expired=yes" in answer.content.decode()
    assert answer.context["going"] == 2
    assert not Run.objects.exists()
    assert few.get(f"{ASK}?cause=connection").context["going"] == 2


def test_the_question_says_at_once_how_many_this_person_may_send(few: Client, many: Client, settings: Any) -> None:
    settings.REPLAY_FEW = 2
    letters(3)
    assert "You may send 2 letters again at once." in few.get(ASK).content.decode()
    assert "You may send" not in many.get(ASK).content.decode()
    settings.DESK_APPROVAL_ABOVE = 2
    assert "A run of more than 2 waits until a second person approves it;" in many.get(ASK).content.decode()


def test_an_answer_makes_a_run_and_leads_to_its_page(few: Client) -> None:
    chosen, other = letters(2), letter(last_cause=Cause.TIMEOUT)
    answer = answered(few, Selection(cause="connection"))
    run = Run.objects.get()
    assert answer.url == reverse("admin:dlq_run_change", args=[run.pk])
    assert (run.actor, run.reason, run.going, run.per_second) == ("few", "it works again", 2, 50)
    assert Job.objects.get().kind == "replay"
    assert "it works again" in page(few, run)
    assert row_of(other).status == row_of(chosen[0]).status == Status.DEAD


def test_an_answer_that_is_posted_twice_makes_one_run(few: Client) -> None:
    letters(2)
    first, second = (answered(few, Selection(), question="a word") for _ in range(2))
    assert first.url == second.url
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("take", "more", "sentence"),
    [
        (("fresh",), {"reason": " "}, "Say why"),
        (("corrected",), {}, "Tick at least one group"),
        (("fresh", "expired"), {}, "Type the new expiry"),
        (("fresh", "expired"), {"expires_at": "2020-01-01T00:00"}, "Must be in the future"),
    ],
)
def test_an_incomplete_answer_is_asked_again(
    few: Client, take: tuple[str, ...], more: dict[str, str], sentence: str
) -> None:
    letters(2)
    old = letter(expires_at=timezone.now() - HOUR)
    DeadLetter.objects.filter(pk=old.pk).update(expires_at=timezone.now() - HOUR)
    answer = answered(few, Selection(), *take, **more)
    assert sentence in answer.content.decode()
    assert not Run.objects.exists()


def test_what_was_searched_for_stands_in_no_url(few: Client) -> None:
    for one in letters(2, receiver="hot@example.org"):
        DeadLetter.objects.filter(pk=one.pk).update(receiver_hash=row_of(one).receiver_hash)
    token = few.get(f"{LIST}?q=hot@example.org").context["selection"]
    assert "hot@example.org" not in token
    question = few.post(ASK, {"selection": token})
    assert question.context["going"] == 2
    assert "hot@example.org" not in question.content.decode()
    assert answered(few, selecting.chosen(question.wsgi_request)).status_code == 302
    assert Run.objects.get().going == 2


def test_a_selection_that_somebody_changed_is_not_believed(few: Client) -> None:
    letters(2)
    answer = few.post(ASK, {"selection": selecting.signed(Selection())[:-1] + "x", "confirm": "yes"}, follow=True)
    assert "choose the letters again" in answer.content.decode()
    assert not Run.objects.exists()


@pytest.mark.parametrize("query", ["chanel=SMS", "cause=connection&channel__in=SMS"])
def test_a_filter_that_nobody_reads_chooses_nothing(few: Client, query: str) -> None:
    letters(2)
    assert "choose the letters again" in few.get(f"{ASK}?{query}", follow=True).content.decode()
    assert "No letter matches any more." in few.get(f"{ASK}?mending=7", follow=True).content.decode()


def test_one_letter_keeps_its_short_page(few: Client) -> None:
    one = letter()
    for address in (ASK, f"{ASK}?ids={one.pk}"):
        assert few.get(address)["Location"] == f"{reverse('admin:dlq_deadletter_verb', args=['replay'])}?ids={one.pk}"
    letter()
    assert few.get(f"{ASK}?ids={one.pk}").status_code == 302
    assert few.get(ASK).status_code == 200


def test_nobody_is_asked_about_nothing(few: Client) -> None:
    letter(state="resolved", status=Status.SENT)
    answer = few.get(f"{ASK}?cause=timeout", follow=True)
    assert "No letter matches any more." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"{LIST}?cause=timeout"


def test_what_was_ticked_and_taken_meanwhile_is_counted(few: Client) -> None:
    ticked = [*letters(2), letter(state="replaying", status=Status.WAITING, due_at=timezone.now())]
    ids = ",".join(str(one.pk) for one in ticked)
    context = few.get(f"{ASK}?ids={ids}").context
    assert context["going"] == 2
    assert context["never"] == [("Already on their way again", 1)]


def test_a_few_and_many_are_two_rights(few: Client, many: Client, viewer: Client, settings: Any) -> None:
    settings.REPLAY_FEW = 2
    letters(3)
    assert "You may send 2 letters again at once" in answered(few, Selection()).content.decode()
    assert viewer.get(ASK).status_code == answered(viewer, Selection()).status_code == 403
    assert not Run.objects.exists()
    assert answered(many, Selection()).status_code == 302


def test_a_large_run_waits_for_somebody_else(many: Client, approver: Client, settings: Any) -> None:
    settings.DESK_APPROVAL_ABOVE = 2
    run = begun(3, actor="many")
    assert run.state == "asked"
    assert "Approve" not in page(many, run)
    assert do(many, run, "approve") == 403
    assert "It waits for a second person" in page(approver, run)
    assert do(approver, run, "approve", reason="seen") == 302
    run.refresh_from_db()
    assert (run.state, run.approved_by) == ("running", "approver")
    assert StaffAction.objects.filter(action="approve-run", reason="seen", run_id=run.pk).exists()


def test_whoever_asked_may_take_it_back(many: Client, settings: Any) -> None:
    settings.DESK_APPROVAL_ABOVE = 2
    run = begun(3, actor="many")
    assert do(many, run, "refuse", reason="wrong filter") == 302
    assert Run.objects.get().state == "refused"


def test_a_run_is_paused_resumed_and_stopped(few: Client) -> None:
    run = begun()
    under_way = page(few, run)
    assert reverse("admin:dlq_run_verb", args=[run.pk, "pause"]) in under_way
    assert "desk/refresh.js" in under_way, "it looks again by itself"
    assert do(few, run, "pause") == 302
    assert "Paused by few." in page(few, run)
    assert do(few, run, "resume") == 302
    assert few.get(reverse("admin:dlq_run_verb", args=[run.pk, "stop"])).status_code == 200
    assert Run.objects.get().state == "running"
    assert do(few, run, "stop") == 302
    assert Run.objects.get().state == "stopped"
    answer = few.post(reverse("admin:dlq_run_verb", args=[run.pk, "pause"]), follow=True)
    assert f"Run {run.pk} is stopped." in answer.content.decode()


def test_a_viewer_sees_a_run_and_changes_nothing(viewer: Client) -> None:
    run = begun()
    assert reverse("admin:dlq_run_verb", args=[run.pk, "pause"]) not in page(viewer, run)
    assert {do(viewer, run, verb) for verb in ("approve", "refuse", "pause", "resume", "stop")} == {403}
    assert viewer.get(reverse("admin:dlq_run_changelist")).status_code == 200
    assert viewer.post(reverse("admin:dlq_run_change", args=[run.pk])).status_code == 403
    assert Run.objects.get().state == "running"


def test_a_reason_or_a_user_that_is_an_address_is_masked_for_whom_may_not_see_it(viewer: Client) -> None:
    run = begun()
    given = {"user": "joan@example.org", "state": "open"}
    Run.objects.update(
        reason="joan@example.org called", selection=given, state="refused", why_paused="no joan@example.org"
    )
    pages = [reverse("admin:dlq_run_changelist"), reverse("admin:dlq_run_change", args=[run.pk])]
    pages.append(reverse("admin:dlq_run_progress", args=[run.pk]))
    for where in pages:
        assert "joan@example.org" not in viewer.get(where).content.decode()


def test_the_part_that_changes_is_a_fragment(few: Client) -> None:
    run = begun()
    Run.objects.update(taken=3, sent=1, died_again=1, on_their_way=1, looked_at=3, left_out={"expired": 4})
    dead = DeadLetter.objects.order_by("pk")[:1]
    DeadLetter.objects.filter(pk__in=[one.pk for one in dead]).update(run=run)
    answer = few.get(reverse("admin:dlq_run_progress", args=[run.pk]))
    text = answer.content.decode()
    assert "<html" not in text
    assert 'data-state="running"' in text
    assert f"{LIST}?run={run.pk}&amp;state=all&amp;cause=connection" in text
    assert "provider not reached</a>" in text
    assert [part["kind"] for part in answer.context["bar"]] == ["sent", "died", "way", "left"]
    assert few.get(reverse("admin:dlq_run_progress", args=[run.pk + 1])).status_code == 404


def test_a_run_says_why_it_did_not_look_at_letters(few: Client) -> None:
    run = begun()
    assert "somebody else sent or discarded it first" not in page(few, run)
    Run.objects.update(state=Run.State.DONE, ended_at=timezone.now(), looked_at=1)
    assert "somebody else sent or discarded it first" in page(few, run)


def test_empty_lists_say_what_would_be_here(approver: Client, viewer: Client) -> None:
    assert "A run sends many letters again." in approver.get(reverse("admin:dlq_run_changelist")).content.decode()
    assert "grouped by what really failed" in viewer.get(reverse("admin:dlq_problem_changelist")).content.decode()


def test_which_letters_are_meant_is_written_in_words() -> None:
    assert selecting.in_words(Selection(cause="provider-outage")) == "cause provider out of order"


def test_an_estimate_follows_from_what_has_ended(few: Client) -> None:
    run = begun()
    at = (timezone.now() - timedelta(minutes=10)).isoformat()
    Run.objects.update(going=3000, sent=1000, since={"at": at, "sent": 0, "died": 0, "breaker": 0})
    assert "(in 20 minutes)" in page(few, run)


def test_a_run_whose_job_failed_says_so_and_can_be_resumed(few: Client) -> None:
    run = begun()
    assert "Resume" not in page(few, run)
    Job.objects.update(state=Job.State.FAILED, error="Given up after 5 failures")
    text = page(few, run)
    assert "Its job is failed. Given up after 5 failures" in text
    assert do(few, run, "resume") == 302
    assert Job.objects.get().state == "waiting"


def test_a_run_that_is_not_there_is_said(few: Client) -> None:
    answer = few.get(reverse("admin:dlq_run_change", args=[99]), follow=True)
    assert "There is no run 99." in answer.content.decode()
