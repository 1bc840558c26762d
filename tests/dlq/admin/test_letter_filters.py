"""The list's address means one selection: what it shows is what a run and a download of the same address take."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from dlq.admin.choosing.letter_filters import FILTERS, selection_of
from dlq.models import DeadLetter, Problem
from dlq.selection import Selection, from_json
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status
from notifications.models import Category
from tests.desk import letter, notification, unreadable

pytestmark = pytest.mark.django_db

LIST = reverse("admin:dlq_deadletter_changelist")


def meant(query: str) -> Selection:
    return selection_of(RequestFactory().get(f"{LIST}?{query}"))


def shown(client: Client, query: str) -> Any:
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    return answer


def kept(letter: DeadLetter, **fields: Any) -> DeadLetter:
    DeadLetter.objects.filter(pk=letter.pk).update(**fields)
    return letter


@pytest.fixture
def letters() -> dict[str, DeadLetter]:
    """A letter for each filter, that it alone finds, and one that none finds."""
    now = timezone.now()
    seen = {"first_seen": now, "last_seen": now}
    problem = Problem.objects.create(cause="timeout", fingerprint="no answer", version=1, provider="smtp", **seen)
    letter()
    return {
        "channel=SMS": letter(channel="SMS", receiver="+14155550123"),
        "cause=mailbox-full": letter(last_cause=Cause.MAILBOX_FULL),
        f"problem={problem.pk}": kept(letter(), problem=problem),
        "category=invoice": letter(category="invoice"),
        "client=billing": letter(client="billing"),
        "domain=gmial.com": letter(receiver="anna@gmial.com"),
        "user=u77": letter(user="u77"),
        "provider=postmark": letter(provider="postmark"),
        "expired=yes": letter(expires_at=now - timedelta(hours=1)),
        "uncertain=yes": letter(uncertain_count=1),
        "again=yes": kept(letter(), deaths=2),
        "again=same": kept(letter(), repeats=2),
        "state=discarded": letter(state="discarded"),
        "died_at_to_0=2020-01-01": kept(letter(), died_at=now - timedelta(days=9_000)),
        "q=order-9": letter(reference="order-9"),
    }


def test_each_filter_shows_the_rows_of_the_selection(support: Client, letters: dict[str, DeadLetter]) -> None:
    for query, found in letters.items():
        rows = [row.pk for row in shown(support, query).context["cl"].result_list]
        assert rows == [found.pk], query
        assert [row.pk for row in meant(query).rows()] == [found.pk], query
        assert [row.pk for row in from_json(meant(query).as_json()).rows()] == [found.pk], query


def test_the_rest_of_a_yes_or_no_is_the_no(letters: dict[str, DeadLetter]) -> None:
    every = meant("").rows().count()
    for name in ("expired", "uncertain"):
        assert meant(f"{name}=yes").rows().count() + meant(f"{name}=no").rows().count() == every


def test_every_filter_of_the_list_has_a_meaning(letters: dict[str, DeadLetter]) -> None:
    """A filter that is shown and means nothing would say that all letters match it."""
    names = {spec.parameter_name for spec in FILTERS if not isinstance(spec, tuple)}
    assert names <= {query.partition("=")[0] for query in letters} | {"run", "mending"}
    for name in names:
        assert meant(f"{name}=nothing-is-called-this").rows().count() == 0, name


@pytest.mark.parametrize("query", ["cause=%00", "client=" + "x" * 2_000, "problem=-1", "problem=" + "9" * 40])
def test_what_no_letter_can_have_selects_none(support: Client, query: str) -> None:
    letter()
    assert list(shown(support, query).context["cl"].result_list) == []
    assert meant(query).rows().count() == 0


def test_each_filter_has_a_chip_that_ends_it(support: Client, letters: dict[str, DeadLetter]) -> None:
    for query in letters:
        if query.startswith("q="):
            continue
        page = shown(support, query)
        chips = {chip.name: chip for chip in page.context["cl"].chips}
        assert len(chips) == (1 if query.startswith("state=") else 2), query
        [chip] = [chip for chip in chips.values() if query.startswith("state=") or chip.name != "state"]
        assert f'href="{chip.address}"'.replace("&", "&amp;") in page.content.decode()
        without = shown(support, chip.address.removeprefix("?"))
        assert chip.name not in {each.name for each in without.context["cl"].chips}, query


def test_a_chip_says_what_the_problem_is(support: Client, letters: dict[str, DeadLetter]) -> None:
    [query] = [query for query in letters if query.startswith("problem=")]
    assert "no answer in time, smtp, no answer" in shown(support, query).content.decode()


def test_a_list_says_what_each_letter_was_about(anna: Client, agent: Client, viewer: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    letter(subject="Your invoice", category="invoice")
    letter(message="first\nwords " + "é" * 99)
    letter(subject="secret subject", message="secret link", category="password-reset")
    unreadable(b"{")
    page = shown(anna, "").content.decode()
    for part in (
        "Your invoice",
        "first words " + "é" * 48 + "…",
        "(hidden)",
        "a record that could not be read",
    ):
        assert part in page, part
    assert "secret" not in page
    subjects = shown(agent, "").content.decode()
    assert "Your invoice" in subjects
    assert "secret" not in subjects
    assert "first words" not in subjects
    without = shown(viewer, "").content.decode()
    assert "Your invoice" not in without
    assert "first words" not in without
    assert "About" not in without


def test_the_receiver_stays_masked_in_what_the_provider_answered(anna: Client) -> None:
    letter(receiver="anna.berg@example.com", last_error="552 5.2.2 <Anna.Berg@Example.com> mailbox full")
    page = shown(anna, "").content.decode()
    assert "berg@example" not in page.lower()
    assert "mailbox full" in page


def test_only_what_is_not_normal_is_marked(support: Client) -> None:
    letter()
    assert "desk-mark" not in shown(support, "").content.decode()
    kept(letter(uncertain_count=1, expires_at=timezone.now() - timedelta(days=1)), deaths=3)
    page = shown(support, "").content.decode()
    for part in ("expired", "may have arrived", "died 3 times"):
        assert f'">{part}</span>' in page, part


def test_a_list_reads_as_many_notifications_as_it_shows(support: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(60):
        notification(status=Status.SENT)
        letter()
    with django_assert_max_num_queries(30) as captured:
        page = shown(support, "p=2")
    assert len(page.context["cl"].result_list) == 10
    joined = [each["sql"] for each in captured if "JOIN" in each["sql"] and "dlq_deadletter" in each["sql"]]
    assert joined == []


@pytest.mark.parametrize(("query", "offered"), [("", True), ("state=all", True), ("state=discarded", False)])
def test_verbs_for_all_that_match_are_there_where_one_can_match(anna: Client, query: str, offered: bool) -> None:
    letter()
    letter(state="discarded")
    assert ("Discard all that match" in shown(anna, query).content.decode()) is offered
