"""The one page of every notification: answer, advice, text for the customer, story, contents, technique."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import uuid_utils.compat
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dlq.admin.story import story
from dlq.models import DeadLetter, DeadLetterEvent, Problem, Run
from dlq.repair import repair
from dlq.verbs import discard, replay
from notifications.channels.outcomes import Cause
from notifications.channels.receipts import Event, ReceiptType
from notifications.ledger.cancel import cancel
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.receipts import take
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, BreakerEvent, Category, Notification, StaffAction, WorkerHeartbeat
from project.desk.rights import OF_LETTERS, Right
from tests.desk import letter, logged_in, member_of, notification, row_of, staff, unreadable
from users.people.models import User

pytestmark = pytest.mark.django_db


def page_of(row: Notification | DeadLetter) -> str:
    name = "dlq_deadletter" if isinstance(row, DeadLetter) else "notifications_notification"
    return reverse(f"admin:{name}_change", args=[row.pk])


def shown(client: Client, row: Notification | DeadLetter, query: str = "") -> str:
    answer = client.get(page_of(row) + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def seen(client: Client, row: Notification | DeadLetter, query: str = "") -> Any:
    return client.get(page_of(row) + query).context


def lines(context: Any) -> list[str]:
    found = context["story"]
    return [line.what for line in (*found.first, *found.folded, *found.last)]


def test_what_was_cancelled_while_only_kafka_had_it_has_a_page(support: Client) -> None:
    cancel(id := uuid_utils.compat.uuid7(), client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)
    row = Notification.objects.get(pk=id)
    assert "it was cancelled" in seen(support, row)["answer"]
    assert lines(seen(support, row))[-1] == "Cancelled"
    listed = support.get(reverse("admin:notifications_notification_changelist")).content.decode()
    assert "cancelled" in listed


@pytest.mark.parametrize("status", [*Status])
def test_every_status_has_a_page_that_begins_with_the_answer(support: Client, status: Status) -> None:
    row = notification(status=status, reason=Reason.RETRY if status is Status.WAITING else "")
    context = seen(support, row)
    assert context["answer"].endswith(".")
    assert context["answer"] in shown(support, row).replace("&#x27;", "'")
    assert context["customer"]["text"]


def test_a_letter_and_its_notification_have_the_same_page(support: Client) -> None:
    dead = letter(last_cause=Cause.MAILBOX_FULL)
    of_letter, of_row = seen(support, dead), seen(support, row_of(dead))
    for name in ("answer", "advice", "buttons", "next_step", "technique", "about"):
        assert of_letter[name] == of_row[name], name
    assert lines(of_letter) == lines(of_row)


def test_during_an_outage_the_page_says_so(support: Client) -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(worker="w", kind="sender", channels="EMAIL", started_at=now, seen_at=now)
    row = notification(status=Status.QUEUED, last_cause="", settled_at=None, accepted_at=now - timedelta(minutes=5))
    assert "out of order" not in seen(support, row)["answer"]
    BreakerEvent.objects.create(worker="w", channel="EMAIL", provider="smtp", state="open", cause="timeout", at=now)
    context = seen(support, row)
    assert context["answer"].startswith("E-mail is out of order since ")
    assert "E-mail (smtp) went out of order: the provider did not answer in time" in lines(context)
    assert "technical fault" in context["customer"]["text"]


def test_the_main_button_is_the_advice(support: Client) -> None:
    def main(dead: DeadLetter) -> str:
        return next((words for words, _, is_main in seen(support, dead)["buttons"] if is_main), "")

    assert main(letter(last_cause=Cause.OPTED_OUT)) == "Discard"
    assert main(letter(last_cause=Cause.UNKNOWN_RECEIVER)) == "Change the receiver"
    assert main(letter(last_cause=Cause.CONNECTION)) == "Replay"
    assert main(letter(last_cause=Cause.CONNECTION, expires_at=timezone.now())) == "Discard"
    assert main(letter(last_cause=Cause.MAILBOX_FULL)) == ""
    again = letter(last_cause=Cause.CONNECTION)
    DeadLetter.objects.filter(pk=again.pk).update(deaths=2, repeats=2)
    assert main(again) == "Discard"


def test_an_agent_reads_that_somebody_else_has_to_do_it(viewer: Client) -> None:
    dead = letter(last_cause=Cause.OPTED_OUT)
    context = seen(logged_in(member_of("Agent")), dead)
    assert [words for words, *_ in context["buttons"]] == ["Replay"]
    assert context["lacking"] == "You may not do this yourself: ask somebody who may."
    assert seen(viewer, dead)["lacking"] == "You may read this, but not act on it."


def test_the_text_for_the_customer_is_in_the_language_that_was_chosen(support: Client, settings: Settings) -> None:
    User.objects.create(username="u1", name="Anna Berg")
    dead = letter(last_cause=Cause.MAILBOX_FULL, user="u1", subject="Your invoice")
    assert "Hello Anna Berg,\n\nOur e-mail “Your invoice” could not" in seen(support, dead)["customer"]["text"]
    german = seen(support, dead, "?language=de")["customer"]
    assert german["text"].startswith("Guten Tag Anna Berg,")
    assert german["language"] == "de"
    assert seen(support, dead, "?language=../en")["customer"]["language"] == "en"
    settings.ANSWER_LANGUAGE = "de"
    assert seen(support, dead)["customer"]["language"] == "de"
    assert 'lang="de"' in shown(support, dead)


def test_whoever_may_not_see_receivers_and_contents_sees_neither(viewer: Client, support: Client) -> None:
    User.objects.create(username="u1", name="Joan Smith")
    secret = {
        "receiver": "joan.smith@example.org",
        "subject": "A subject",
        "message": "the-secret-link",
        "html": "<b>the-secret-html</b>",
        "last_error": "552 5.2.2 <joan.smith@example.org> is full",
    }
    dead = letter(user="u1", last_cause=Cause.MAILBOX_FULL, **secret)
    for row in (dead, row_of(dead)):
        text = shown(viewer, row)
        for word in ("joan.smith", "Joan Smith", "A subject", "the-secret"):
            assert word not in text, word
        assert "552 5.2.2" in text
        assert "joan.smith@example.org" in shown(support, row)
        assert "the-secret-link" in shown(support, row)


def test_a_persons_words_and_ids_betray_no_receiver(viewer: Client, support: Client) -> None:
    dead = letter(receiver="joan.smith@example.org", user="joan.smith@example.org")
    discard([dead.pk], "bert", "wrote to joan.smith@example.org instead")
    assert "joan.smith" not in shown(viewer, dead)
    assert "wrote to … instead" in seen(viewer, dead)["answer"]
    assert "wrote to joan.smith@example.org instead" in seen(support, dead)["answer"]


def test_what_a_sensitive_category_contains_is_shown_and_changed_by_nobody(anna: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    dead = letter(category="password-reset", subject="A subject", message="the-secret-link")
    text = shown(anna, dead)
    assert "the-secret-link" not in text
    assert "A subject" not in text
    assert [words for words, *_ in seen(anna, dead)["buttons"]] == ["Replay", "Discard"]


def test_a_mistyped_domain_of_a_sensitive_category_offers_no_correction(anna: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    assert seen(anna, letter(receiver="joan@gmial.com"))["meant"]["one"]
    meant = seen(anna, letter(receiver="joan@gmial.com", category="password-reset"))["meant"]
    assert (meant["meant"], meant["one"], meant["many"]) == ("gmail.com", "", "")


def test_no_link_leads_to_a_page_that_refuses(db: None) -> None:
    one = letter(receiver="joan@gmial.com", subject="Your invoice")
    rights = (*OF_LETTERS, Right.REVEAL, Right.MEND_MANY, Right.TRY_NOW)
    reads_rows = logged_in(staff("rows", "notifications.view_notification", *rights))
    assert not re.findall(r'href="(/admin/dlq/deadletter/[^"]+)"', shown(reads_rows, row_of(one)))
    reads_letters = logged_in(staff("letters", "dlq.view_deadletter", *rights))
    text = shown(reads_letters, one)
    assert "Your invoice" in text
    assert not re.findall(r'href="(/admin/notifications/[^"]+)"', text)


def test_the_story_has_every_death_run_and_action(support: Client) -> None:
    dead = letter(last_cause=Cause.TIMEOUT)
    id, now = dead.notification_id, timezone.now()
    for hours, cause in ((2, Cause.CONNECTION), (0, Cause.TIMEOUT)):
        at = now - timedelta(hours=hours)
        DeadLetterEvent.objects.create(event="dead", notification_id=id, cause=cause, at=at)
    run = Run.objects.create(actor="zoe", reason="the outage is over", selection={}, last_letter=dead.pk)
    DeadLetter.objects.filter(pk=dead.pk).update(run=run)
    StaffAction.objects.create(actor="bert", action="repair", target=f"dead letter {dead.pk}", notification_id=id)
    StaffAction.objects.create(actor="carl", action="try-now", target=f"notification {id}", notification_id=id)
    StaffAction.objects.create(actor="dora", action="replay", target=f"dead letter {letter().pk}")
    found = lines(seen(support, dead))
    assert [line for line in found if line.startswith("Became")] == [
        "Became a dead letter: we could not reach the provider",
        "Became a dead letter: the provider did not answer in time",
    ]
    assert f"zoe replayed it with others, in run {run.pk}" in found
    assert {"bert corrected it", "carl made it due at once"} < set(found)
    assert not [line for line in found if "dora" in line]
    assert "the outage is over" in shown(support, dead)


def test_the_story_ends_with_what_the_provider_reported(support: Client) -> None:
    sent = notification(status=Status.SENT, settled_at=timezone.now())
    bounce = Event("postmark", "EMAIL", sent.receiver, ReceiptType.BOUNCED, "m", None, "550 5.1.1 no", sent.pk)
    take([bounce])
    assert lines(seen(support, sent))[-1] == "postmark says: Bounced: nobody is there"
    assert "550 5.1.1 no" in shown(support, sent)


@pytest.mark.parametrize("kind", [*ReceiptType])
def test_each_receipt_of_a_notification_has_words(kind: ReceiptType) -> None:
    assert kind in story.REPORTED or kind.state is None


def test_what_is_held_did_not_simply_die(support: Client) -> None:
    held = letter(status=Status.HELD, last_cause=Cause.OUTCOME_UNKNOWN)
    found = lines(seen(support, held))
    assert "Held, because a person has to decide: the answer of the provider was lost" in found
    assert not [line for line in found if line.startswith("Became")]


def test_a_replay_by_a_run_is_said_at_the_beginning(support: Client) -> None:
    dead = letter(state="replaying", status=Status.WAITING, reason=Reason.REPLAY, due_at=timezone.now())
    run = Run.objects.create(actor="zoe", reason="over", selection={}, last_letter=dead.pk, state=Run.State.PAUSED)
    DeadLetter.objects.filter(pk=dead.pk).update(run=run)
    answer = seen(support, dead)["answer"]
    assert answer.startswith("Replayed by zoe at ")
    assert f" in run {run.pk}, which is paused. It is sent within seconds." in answer


def test_after_a_correction_the_old_answer_is_not_about_the_new_address(support: Client) -> None:
    dead = letter(receiver="old@example.org", last_cause=Cause.UNKNOWN_RECEIVER, last_error="550 nobody there")
    assert "550 nobody there" in seen(support, dead)["why"]["words"]
    repair(dead.pk, "bert", {"receiver": "new@example.org"}, reason="she wrote us")
    context = seen(support, dead)
    assert "before bert corrected it at" in context["answer"]
    assert context["why"] == {}
    assert context["buttons"][0] == ("Replay", context["buttons"][0][1], True)


def test_what_has_expired_is_marked_as_past(support: Client) -> None:
    now = timezone.now()
    past, coming = letter(expires_at=now - timedelta(minutes=5)), letter(expires_at=now + timedelta(minutes=5))
    assert [name for name, _, is_past in seen(support, past)["about"] if is_past] == ["Expired"]
    assert [name for name, _, is_past in seen(support, coming)["about"] if is_past] == []


def test_a_long_story_is_folded_and_long_texts_are_cut(support: Client) -> None:
    dead = letter(message="m" * 30_000, html="h" * 30_000)
    for number in range(100, 160):
        Attempt.objects.create(
            notification=row_of(dead), generation=0, number=number, at=timezone.now(), outcome="transient", cause="bug"
        )
    context = seen(support, dead)
    assert len(context["story"].first) + len(context["story"].last) == story.MOST_LINES
    assert len(lines(context)) == 63
    assert "These are the first 20,000 of 30,000 characters." in context["content"].message
    assert len(shown(support, dead)) < 150_000


def test_a_page_takes_few_queries_whatever_happened(support: Client) -> None:
    problem = Problem.objects.create(
        channel="EMAIL",
        cause="bug",
        fingerprint="x",
        version=1,
        first_seen=timezone.now(),
        last_seen=timezone.now(),
    )
    quiet, busy = letter(user="u1"), letter(user="u1")
    DeadLetter.objects.update(problem=problem)
    for number in range(100, 120):
        Attempt.objects.create(
            notification=row_of(busy), generation=0, number=number, at=timezone.now(), outcome="transient", cause="bug"
        )
        StaffAction.objects.create(actor="anna", action="repair", target=f"dead letter {busy.pk}")
        BreakerEvent.objects.create(worker="w", channel="EMAIL", provider="smtp", state="open")
        DeadLetterEvent.objects.create(event="dead", notification_id=busy.notification_id, cause="bug")

    def queries(row: DeadLetter | Notification) -> int:
        with CaptureQueriesContext(connection) as captured:
            support.get(page_of(row))
        return len(captured)

    queries(quiet)
    assert queries(quiet) == queries(busy) <= 20
    assert queries(row_of(quiet)) == queries(row_of(busy)) <= 20


def test_the_neighbours_in_a_problem_are_linked(support: Client) -> None:
    problem = Problem.objects.create(
        channel="EMAIL",
        cause="bug",
        fingerprint="x",
        version=1,
        first_seen=timezone.now(),
        last_seen=timezone.now(),
    )
    first, other, middle, closed, last = letter(), letter(), letter(), letter(state="discarded"), letter()
    DeadLetter.objects.exclude(pk=other.pk).update(problem=problem)
    assert closed.state == "discarded"
    links = dict(seen(support, middle)["links"])
    assert links["Previous of this problem"] == page_of(first)
    assert links["Next of this problem"] == page_of(last)
    assert not [words for words, _ in seen(support, other)["links"] if "problem" in words]


def test_the_person_is_one_click_away_and_no_address_stands_in_a_url(support: Client, viewer: Client) -> None:
    known, unknown = letter(user="u1", receiver="joan@example.org"), letter(receiver="joan@example.org")
    named_by_address = letter(user="joan@example.org", receiver="joan@example.org")
    assert seen(support, known)["person_page"].endswith("?user=u1")
    assert seen(support, unknown)["person_page"].endswith(f"?notification={unknown.notification_id}")
    assert "Everything sent there" in shown(support, unknown)
    for row in (known, unknown, named_by_address):
        text = shown(support, row)
        assert not [url for url in re.findall(r'(?:href|action)="([^"]*)"', text) if "joan" in url]
    assert 'name="q" value="joan@example.org"' in shown(support, known)
    assert 'name="q" value="' not in shown(viewer, known).partition('id="answer"')[2]


def test_a_notification_that_is_not_there_leads_back_to_the_list(support: Client) -> None:
    home = reverse("admin:notifications_notification_changelist")
    for odd in ("0190a5f2-0000-7000-8000-000000000000", "abc", "1"):
        answer = support.get(f"{home}{odd}/change/")
        assert answer.status_code == 302
        assert answer["Location"] == home


def test_no_heading_is_skipped(support: Client) -> None:
    for row in (letter(), notification(status=Status.SENT), unreadable(b"{")):
        page = shown(support, row).partition("<h1")[2]
        levels = [1, *(int(level) for level in re.findall(r"<h([1-6])\b", page))]
        assert levels.count(2) >= 3
        assert max(after - before for before, after in pairwise(levels)) == 1, levels


def test_a_replay_shows_at_once_on_both_pages(support: Client) -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(worker="w", kind="sender", channels="EMAIL", started_at=now, seen_at=now)
    dead = letter()
    replay([dead.pk], "bert")
    for row in (dead, row_of(dead)):
        context = seen(support, row)
        assert context["answer"].startswith("Replayed by bert at ")
        assert context["next_step"] == "It will be tried again within seconds."
        assert "Replay" not in [words for words, *_ in context["buttons"]]
