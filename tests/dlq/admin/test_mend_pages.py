"""The pages that correct many letters: what they show to whom, and that only the last of them writes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dlq.admin.choosing import selecting
from dlq.models import DeadLetter, Mending
from dlq.problems.assigning import assign_all
from notifications.messages.words import Status
from notifications.models import Category, Job, StaffAction
from project.desk.rights import Right
from tests.desk import letter, notification, row_of, staff, superuser
from tests.dlq.mending.mended import ALL, mistyped, person, receivers, run

pytestmark = pytest.mark.django_db
ASK = "/admin/dlq/deadletter/mend/"
GMIAL = {"kind": "domain", "old": "gmial.com", "new": "gmail.com"}
VIEW = "dlq.view_deadletter"


def logged_in(account: User) -> Client:
    client = Client()
    client.force_login(account)
    return client


@pytest.fixture
def anna(db: None) -> Client:
    return logged_in(superuser("anna"))


def look(client: Client, **given: str) -> Any:
    return client.post(ASK, {"selection": selecting.signed(ALL), **GMIAL, **given})


def confirm(client: Client, page: Any, **given: str) -> Any:
    """Posts what the form of the question has, as a browser would, and what somebody ticks and types."""
    form = page.context["form"]
    answered = {"key": form["key"].value(), "devices": "on", "reason": "typed wrong", "confirm": "yes"}
    posted = {"selection": page.context["selection"], **GMIAL, **answered, **given}
    return client.post(ASK, {name: value for name, value in posted.items() if value})


def text_of(page: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_the_question_names_the_letters_and_the_mistyped_domains(anna: Client) -> None:
    for receiver in ("a@gmial.com", "b@gmial.com", "c@example.org"):
        mistyped(receiver)
    text = text_of(anna.get(ASK))
    assert "all open letters" in text
    assert "gmial.com → gmail.com : 2 letters" in text
    assert "At most 5,000 letters a correction" in text
    assert "example.org" not in text


def test_a_question_about_a_problem(anna: Client) -> None:
    mine, _ = mistyped(), mistyped("b@gmial.com", last_error="something else entirely")
    assign_all()
    mine.refresh_from_db()
    page = anna.get(f"{ASK}?problem={mine.problem_id}&old=gmial.com&new=gmail.com")
    assert f"problem {mine.problem_id}" in text_of(page)
    assert page.context["corrected"]["count"] == 1


def test_everything_is_counted_before_anything_happens(anna: Client) -> None:
    Category.objects.create(name="password", sensitive=True)
    for number in range(25):
        mistyped(f"a{number}@gmial.com", user=f"u{number}")
    person("u1", "a1@gmial.com")
    person("u2", "a2@gmial.com", "a2@gmail.com")
    mistyped("s@gmial.com", category="password")
    mistyped("d@gmial.com", reference="order-7")
    notification(receiver="d@gmail.com", status=Status.SENT, reference="order-7")
    text = text_of(look(anna))
    assert "Correct 25 letters?" in text
    assert "They match 27" in text
    assert "1 are of a sensitive category" in text
    assert "Correct also 1 that were sent to the right address already (1 person)" in text
    assert "Also correct 1 device of these people" in text
    assert "1 wrong device stays their person has the right address" in text.replace(":", "")
    assert text.count("@gmial.com") == 21  # the first twenty, and the duplicate
    assert not Job.objects.exists() and not StaffAction.objects.exists()


def test_what_the_intake_refuses_is_shown_with_its_reason(anna: Client) -> None:
    mistyped(f"{'a' * 60}@gmial.com")
    page = look(anna, kind="replace", old="a@gmial", new="bbbbbb@gmail")
    text = text_of(page)
    assert "1 would get a receiver that is not accepted here" in text
    assert "64 before the @" in text
    assert "Why are they corrected?" not in text


def test_from_the_question_to_the_run(anna: Client) -> None:
    dead, _ = mistyped(user="anna"), mistyped("bert@gmial.com")
    person("anna", "anna@gmial.com")
    answer = confirm(anna, look(anna))
    mending = Mending.objects.get()
    assert answer.url == reverse("admin:dlq_mending_change", args=[mending.pk])
    assert (mending.actor, mending.reason, mending.asked, mending.devices) == ("anna", "typed wrong", 2, True)
    assert "0 of 2 letters are done" in text_of(anna.get(answer.url))
    run()
    page = anna.get(answer.url)
    assert "Done: 2 letters and 1 device corrected." in text_of(page)
    assert f"/admin/dlq/run/ask/?mending={mending.pk}" in page.content.decode()
    assert row_of(dead).receiver == "anna@gmail.com"
    question = text_of(anna.get(f"/admin/dlq/run/ask/?mending={mending.pk}"))
    assert f"correction {mending.pk}" in question
    assert f"#{dead.pk}" in text_of(anna.get(f"/admin/dlq/deadletter/?mending={mending.pk}"))


def test_posting_the_answer_twice_makes_one_correction(anna: Client) -> None:
    mistyped()
    page = look(anna)
    assert confirm(anna, page).url == confirm(anna, page).url
    assert Mending.objects.count() == 1


def test_a_reason_is_needed_and_what_was_typed_stays(anna: Client) -> None:
    mistyped()
    page = confirm(anna, look(anna), reason="", devices="")
    assert "This field is required" in text_of(page)
    assert page.context["form"]["devices"].value() is False
    assert not Mending.objects.exists()


@pytest.mark.parametrize("given", [{"new": "nonsense"}, {"old": ""}, {"new": "gmial.com"}, {"kind": "prefix"}])
def test_what_makes_no_sense_is_asked_again_at_its_field(anna: Client, given: dict[str, str]) -> None:
    mistyped()
    page = look(anna, **given)
    assert "desk-error" in page.content.decode()


@pytest.mark.parametrize("selection", ["", "nonsense", "{}"])
def test_a_selection_that_nobody_signed_selects_nothing(anna: Client, selection: str) -> None:
    mistyped()
    page = anna.post(ASK, {"selection": selection, **GMIAL, "confirm": "yes", "key": "a" * 32, "reason": "x"})
    assert page.status_code == 302
    assert not Mending.objects.exists()


def test_a_filter_that_nobody_reads_selects_nothing(anna: Client) -> None:
    mistyped()
    assert "choose them anew" in text_of(anna.get(f"{ASK}?chanel=SMS", follow=True))


def test_somebody_who_was_later_reads_that_nothing_is_left(anna: Client) -> None:
    dead = mistyped()
    page = look(anna)
    DeadLetter.objects.filter(pk=dead.pk).update(state="discarded")
    answer = confirm(anna, page)
    assert "somebody else was first" in text_of(anna.get(answer.url))
    assert not Mending.objects.exists()


class TestRights:
    @pytest.mark.parametrize("rights", [(), (Right.MEND_MANY,), (Right.REDIRECT,)])
    def test_both_are_needed(self, rights: tuple[Right, ...]) -> None:
        mistyped()
        client = logged_in(staff("sam", VIEW, *rights))
        assert client.get(ASK).status_code == look(client).status_code == 403
        assert "Correct all that match" not in client.get("/admin/dlq/deadletter/").content.decode()

    def test_without_seeing_receivers_they_are_masked(self) -> None:
        mistyped("anna.berg@gmial.com", user="u1")
        person("u1", "anna.berg@gmial.com")
        client = logged_in(staff("sam", VIEW, Right.MEND_MANY, Right.REDIRECT))
        page = look(client)
        assert "a…@gmial.com" in text_of(page)
        answer = confirm(client, page)
        run()
        for shown in (page, client.get(answer.url), client.get("/admin/notifications/staffaction/")):
            assert "anna.berg" not in shown.content.decode()

    def test_whoever_sees_letters_sees_a_correction_without_its_texts(self, anna: Client) -> None:
        mistyped("anna.berg@gmial.com")
        replaced = {"kind": "replace", "old": "anna.berg@gmial.com", "new": "anna.berg@gmail.com"}
        answer = confirm(anna, look(anna, **replaced), **replaced)
        viewer = logged_in(staff("vera", VIEW))
        page = viewer.get(answer.url)
        assert page.status_code == 200
        assert "berg" not in page.content.decode()
        assert viewer.post(answer.url).status_code == 403
        assert "berg" in anna.get(answer.url).content.decode()


class TestDidYouMean:
    def test_the_letter_asks_and_fills_the_address_in(self, anna: Client) -> None:
        dead = mistyped("Anna@gmial.com")
        page = anna.get(f"/admin/dlq/deadletter/{dead.pk}/change/").content.decode()
        assert "Did you mean" in page and "old=gmial.com&amp;new=gmail.com" in page
        form = anna.get(f"/admin/dlq/deadletter/{dead.pk}/redirect/?suggested=1").context["form"]
        assert form["receiver"].value() == "Anna@gmail.com"
        assert row_of(dead).receiver == "Anna@gmial.com"

    def test_it_fills_nothing_in_for_whoever_may_not_see_receivers(self) -> None:
        dead = mistyped("Anna@gmial.com")
        client = logged_in(staff("sam", VIEW, Right.REDIRECT))
        page = client.get(f"/admin/dlq/deadletter/{dead.pk}/redirect/?suggested=1")
        assert page.context["form"]["receiver"].value() == ""
        shown = client.get(f"/admin/dlq/deadletter/{dead.pk}/change/").content.decode()
        assert "Correct it here" in shown and "Correct it in all" not in shown

    @pytest.mark.parametrize("dead", [{"receiver": "anna@gmail.com"}, {"state": "resolved"}, {"channel": "SLACK"}])
    def test_it_does_not_ask_where_nothing_is_to_be_corrected(self, anna: Client, dead: dict[str, str]) -> None:
        found = letter(**{"receiver": "anna@gmial.com"} | dead)
        assert "Did you mean" not in anna.get(f"/admin/dlq/deadletter/{found.pk}/change/").content.decode()

    def test_the_problem_names_its_mistyped_domains(self, anna: Client) -> None:
        dead = mistyped()
        assign_all()
        dead.refresh_from_db()
        page = anna.get(f"/admin/dlq/problem/{dead.problem_id}/change/").content.decode()
        assert f"problem={dead.problem_id}&amp;old=gmial.com&amp;new=gmail.com" in page


def test_the_list_leads_to_it_for_all_and_for_the_ticked(anna: Client) -> None:
    mine, _ = mistyped(), mistyped("b@gmial.com")
    listed = anna.get("/admin/dlq/deadletter/?channel=EMAIL")
    assert "Correct all that match" in listed.content.decode()
    asked = anna.post(ASK, {"selection": listed.context["selection"]})
    assert "channel EMAIL" in text_of(asked)
    ticked = anna.post("/admin/dlq/deadletter/", {"action": "mend_selected", "_selected_action": [mine.pk]})
    page = anna.post(ASK, {"selection": ticked.context["selection"], **GMIAL})
    assert page.context["corrected"]["count"] == 1
    confirm(anna, page)
    run()
    assert receivers() == ["anna@gmail.com", "b@gmial.com"]
