"""The list of dead letters, the case file, and the pages between a button and its deed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dlq.admin.verbs import verb_pages
from dlq.models import DeadLetter
from dlq.verbs import replay
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status
from notifications.models import Notification, StaffAction
from tests.desk import letter, unreadable

pytestmark = pytest.mark.django_db

LIST = reverse("admin:dlq_deadletter_changelist")


def verb(name: str, *letters: DeadLetter) -> str:
    ids = ",".join(str(one.pk) for one in letters)
    return f"{reverse('admin:dlq_deadletter_verb', args=[name])}?ids={ids}"


def case(dead: DeadLetter) -> str:
    return reverse("admin:dlq_deadletter_change", args=[dead.pk])


def listed(client: Client, query: str = "") -> list[int]:
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


def states() -> set[str]:
    return set(DeadLetter.objects.values_list("state", flat=True))


def test_the_list_begins_with_what_is_open(support: Client) -> None:
    open_one, closed = letter(), letter(state="discarded")
    assert listed(support) == [open_one.pk]
    assert listed(support, "?state=discarded") == [closed.pk]
    assert listed(support, "?state=all") == [closed.pk, open_one.pk]
    assert listed(support, "?state=nonsense") == []


def test_filters_by_channel_cause_and_time(support: Client) -> None:
    mail = letter(last_cause=Cause.TIMEOUT)
    text = letter(channel="SMS", receiver="+14155550123")
    DeadLetter.objects.filter(pk=mail.pk).update(died_at=timezone.now() - timedelta(days=3))
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()
    assert listed(support, "?channel=SMS") == [text.pk]
    assert listed(support, "?cause=timeout") == [mail.pk]
    assert listed(support, "?cause=timeout&channel=SMS") == []
    assert listed(support, f"?died_at_from_0={yesterday}&died_at_from_1=00:00:00") == [text.pk]
    assert listed(support, f"?died_at_to_0={yesterday}&died_at_to_1=00:00") == [mail.pk]
    assert listed(support, "?died_at_to_0=nonsense&died_at_to_1=") == [text.pk, mail.pk]


def test_search_is_exact_by_receiver_user_reference_and_id(support: Client) -> None:
    wanted = letter(receiver="Joan@Example.ORG", user="u77", reference="order-9")
    letter(receiver="joan2@example.org", user="u771", reference="order-99")
    closed = letter(receiver="closed@example.org", state="resolved")
    for term in ("Joan@example.org", "u77", "order-9", str(wanted.notification_id), str(wanted.pk), f"%23{wanted.pk}"):
        assert listed(support, f"?q={term}") == [wanted.pk], term
    assert listed(support, "?q=closed@example.org") == [closed.pk]
    for term in ("oan@example.org", "order", "99999999999999999999999", "x" * 2000):
        assert listed(support, f"?q={term}") == [], term


def test_a_search_that_cannot_be_is_no_error(support: Client) -> None:
    dead = letter()
    assert listed(support, "?q=%20") == [dead.pk]
    assert listed(support, "?q=%00") == []


def test_a_list_takes_the_same_number_of_queries_for_any_length(support: Client) -> None:
    def queries(number: int) -> int:
        for _ in range(number):
            letter()
        with CaptureQueriesContext(connection) as captured:
            assert support.get(LIST).status_code == 200
        return len(captured)

    assert queries(2) == queries(60)


def test_no_query_counts_the_whole_table(support: Client) -> None:
    letter()
    with CaptureQueriesContext(connection) as captured:
        support.get(LIST)
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "dlq_deadletter" in query["sql"]]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_the_case_file_tells_the_story(support: Client) -> None:
    dead = letter(
        receiver="joan@example.org", subject="Shipped", message="<b>bold</b>", html="<script>alert(1)</script>"
    )
    replay([dead.pk], "bert")
    shown = support.get(case(dead)).content.decode()
    for part in (
        *("joan@example.org", "Shipped", "&lt;b&gt;bold&lt;/b&gt;", "&lt;script&gt;alert(1)", "We could not reach"),
        *(
            "Attempt 6: we could not reach the provider after 12 ms",
            "refused",
            "bert replayed it",
            "notifications.email, partition 1",
            "UTC",
        ),
        "Replayed by bert at ",
    ):
        assert part in shown, part
    assert "<script>alert(1)" not in shown


def test_the_case_file_takes_the_same_number_of_queries_for_any_story(support: Client) -> None:
    short, long = letter(), letter()
    for _ in range(20):
        StaffAction.objects.create(actor="anna", action="repair", target=f"dead letter {long.pk}")

    def queries(dead: DeadLetter) -> int:
        with CaptureQueriesContext(connection) as captured:
            support.get(case(dead))
        return len(captured)

    queries(short)
    assert queries(short) == queries(long)


def test_the_case_file_offers_what_can_be_done(support: Client) -> None:
    offers = {
        letter(): {"replay", "discard", "repair", "redirect"},
        letter(status=Status.HELD): {"replay", "discard", "repair", "redirect", "mark-sent"},
        unreadable(b"{"): {"discard", "repair"},
        letter(state="replaying", status=Status.WAITING): set(),
        letter(state="discarded"): set(),
        letter(state="resolved", status=Status.SENT): set(),
    }
    for dead, wanted in offers.items():
        shown = support.get(case(dead)).content.decode()
        found = {name for name in verb_pages.VERBS if f"/verb/{name}/?ids={dead.pk}" in shown}
        found |= {name for name in ("repair", "redirect") if f"/{dead.pk}/{name}/" in shown}
        assert found == wanted, dead.state


def test_a_letter_that_is_not_there_leads_back_to_the_list(support: Client) -> None:
    for odd in ("99999", "abc", "99999999999999999999999"):
        answer = support.get(f"{LIST}{odd}/change/")
        assert answer.status_code == 302
        assert answer["Location"] == LIST


@pytest.mark.parametrize("name", list(verb_pages.VERBS))
def test_get_asks_and_post_does(support: Client, name: str) -> None:
    dead = letter(status=Status.HELD)
    assert support.get(verb(name, dead)).status_code == 200
    assert states() == {"open"}
    answer = support.post(verb(name, dead), {"ids": dead.pk, "confirm": "yes", "reason": "old"})
    assert answer["Location"] == case(dead)
    assert states() == {{"replay": "replaying", "discard": "discarded", "mark-sent": "resolved"}[name]}
    assert StaffAction.objects.get().actor == "support"


def test_a_discard_without_a_reason_asks_again(support: Client) -> None:
    dead = letter()
    answer = support.post(verb("discard", dead), {"ids": dead.pk, "confirm": "yes", "reason": " "})
    assert answer.status_code == 200
    assert "This field is required." in answer.content.decode()
    assert states() == {"open"}


def test_the_second_person_is_told_in_the_admin(support: Client) -> None:
    dead = letter()
    replay([dead.pk], "anna")
    answer = support.post(verb("replay", dead), {"ids": dead.pk, "confirm": "yes"}, follow=True)
    assert f"Dead letter {dead.pk} was already replayed by anna at" in answer.content.decode()
    assert Notification.objects.get().generation == 1


def test_several_that_were_ticked_are_asked_about_as_a_run(support: Client) -> None:
    chosen, _other = [letter(), letter()], letter()
    ticked = {"action": "replay_selected", "_selected_action": [one.pk for one in chosen], "index": 0}
    pages = [support.post(f"{LIST}?channel=EMAIL", ticked), support.get(verb("replay", *chosen))]
    assert [page.context["which"] for page in pages] == ["2 letters, ticked by hand"] * 2
    assert states() == {"open"}


def test_all_that_match_a_filter_are_asked_about_as_a_run(support: Client) -> None:
    for state in ("open", "open", "discarded"):
        letter(last_cause=Cause.CREDENTIALS, state=state)
    letter(last_cause=Cause.BUG)
    token = support.get(f"{LIST}?cause=credentials&state=all").context["selection"]
    assert support.post(reverse("admin:dlq_run_ask"), {"selection": token}).context["going"] == 2
    assert support.get(reverse("admin:dlq_deadletter_matching", args=["replay"])).status_code == 404


@pytest.mark.parametrize("query", ["p=9", "nonsense=1", "died_at_from_0=yesterday"])
def test_filters_that_cannot_be_used_lead_back_to_the_list(support: Client, query: str) -> None:
    letter()
    answer = support.get(f"{reverse('admin:dlq_deadletter_matching', args=['discard'])}?{query}")
    assert answer.status_code == (302 if query == "nonsense=1" else 200)


def test_all_that_match_is_bounded_and_says_so(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.admin.lists.letter_list.MOST_AT_ONCE", 2)
    oldest = [letter(), letter()]
    letter()
    page = support.get(reverse("admin:dlq_deadletter_matching", args=["discard"]))
    assert "More match: these are the oldest 2." in page.content.decode()
    assert page.context["hidden"]["ids"] == ",".join(str(one.pk) for one in oldest)


def test_a_replay_that_may_be_a_duplicate_says_so(support: Client) -> None:
    unsure, sure = letter(uncertain_count=1), letter()
    assert "may have arrived already" in support.get(verb("replay", unsure)).content.decode()
    assert "may have arrived already" not in support.get(verb("replay", sure)).content.decode()


def test_edit_and_replay_in_one_step(support: Client) -> None:
    dead = letter(receiver="one@example.org", subject="Hi", message="one\ntwo")
    page = reverse("admin:dlq_deadletter_repair", args=[dead.pk])
    values = {"receiver": "x@example.org", "subject": "Ho", "message": "one\r\ntwo", "html": "", "generation": 0}
    assert support.get(page).status_code == 200
    answer = support.post(page, values | {"confirm": "yes"}, follow=True).content.decode()
    assert "Changed: subject." in answer
    row = Notification.objects.get()
    assert (row.subject, row.message, row.status, row.generation) == ("Ho", "one\ntwo", "waiting", 1)
    assert row.receiver == "one@example.org"  # it has a page of its own


def test_an_edit_without_replay_leaves_the_letter_open(support: Client) -> None:
    dead = letter()
    page = reverse("admin:dlq_deadletter_repair", args=[dead.pk])
    values = {"receiver": "right@example.org", "message": "Hi", "generation": 0, "confirm": "also"}
    support.post(page, values)
    assert (Notification.objects.get().message, states()) == ("Hi", {"open"})


def test_a_wrong_edit_is_shown_at_its_field_and_nothing_is_replayed(support: Client) -> None:
    dead = letter(receiver="one@example.org")
    page = reverse("admin:dlq_deadletter_redirect", args=[dead.pk])
    answer = support.post(page, {"receiver": "no address", "generation": 0, "confirm": "yes"})
    assert answer.status_code == 200
    assert answer.context["form"].errors["receiver"]
    assert (Notification.objects.get().receiver, states()) == ("one@example.org", {"open"})


@pytest.mark.django_db(transaction=True)
def test_an_unreadable_record_is_corrected_and_sent(support: Client) -> None:
    dead = unreadable(b'{"channel": "EMAIL", "receiver": "a@example.org", message: "Hi"}')
    page = reverse("admin:dlq_deadletter_repair", args=[dead.pk])
    assert "message: &quot;Hi&quot;" in support.get(page).content.decode()
    wrong = support.post(page, {"text": '{"channel": "EMAIL"}', "confirm": "yes"})
    assert "message: This field is required" in wrong.content.decode()
    right = '{"channel": "EMAIL", "receiver": "a@example.org", "message": "Hi"}'
    answer = support.post(page, {"text": right, "confirm": "yes"}, follow=True).content.decode()
    assert f"Accepted as notification {Notification.objects.get().pk}" in answer
    assert states() == {"resolved"}


def test_a_case_file_says_that_its_texts_were_removed(support: Client) -> None:
    closed = letter(state="discarded")
    Notification.objects.update(receiver="", message="", html="", subject="")
    page = support.get(reverse("admin:dlq_deadletter_change", args=[closed.pk])).content.decode()
    assert page.count("(removed)") == 2
    shown = reverse("admin:notifications_notification_change", args=[closed.notification_id])
    assert support.get(shown).content.decode().count("(removed)") == 2
    record = unreadable(b"{")
    DeadLetter.objects.filter(pk=record.pk).update(state="discarded", raw=None)
    assert "(removed)" in support.get(reverse("admin:dlq_deadletter_change", args=[record.pk])).content.decode()
