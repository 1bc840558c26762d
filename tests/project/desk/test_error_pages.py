"""Errors in the admin are pages in its look that need no database; those of calls stay JSON."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from dlq.admin.finding.hits import Found
from dlq.models import DeadLetter
from project.desk.error_pages import RETRY_AFTER
from tests.desk import letter, staff

LIST = reverse("admin:dlq_deadletter_changelist")


def page_of(answer: Any) -> str:
    assert answer.headers["Content-Type"].startswith("text/html")
    page: str = answer.content.decode()
    return page


class Cancelled(Exception):
    pgcode = "57014"


def no_database(*_: object) -> None:
    raise OperationalError("could not connect to 10.1.2.3")


@pytest.mark.django_db
def test_an_address_that_is_not_there(anna: Client) -> None:
    answer = anna.get("/admin/nothing/here/")
    assert answer.status_code == 404
    page = page_of(answer)
    assert "There is nothing at this address" in page
    assert f'href="{reverse("admin:index")}"' in page
    assert "desk/admin" in page


@pytest.mark.django_db
def test_a_right_that_is_missing_is_named(viewer: Client) -> None:
    answer = viewer.post(LIST, {"action": "replay_selected"})
    assert answer.status_code == 403
    assert "You may not do this" in page_of(answer)


@pytest.mark.django_db
def test_a_form_of_an_older_session() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("bert", "view"))
    answer = client.post(LIST, {"action": "replay_selected"})
    assert answer.status_code == 403
    assert "This page was open for too long" in page_of(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", LIST, "/admin/login/"])
def test_a_database_that_is_away(anna: Client, path: str) -> None:
    anna.raise_request_exception = False
    data = {"username": "anna", "password": "x"}
    with patch.object(connection, "cursor", no_database), patch.object(connection, "ensure_connection", no_database):
        answer = anna.post(path, data) if path.endswith("login/") else anna.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, str(RETRY_AFTER))
    page = page_of(answer)
    assert "The database does not answer" in page
    assert "Nothing is lost" in page
    assert "10.1.2.3" not in page
    assert bool(re.search(r"Try again\s*</a>", page)) is not path.endswith("login/")


@pytest.mark.django_db
def test_a_session_that_cannot_be_saved(anna: Client) -> None:
    """The box keeps what was typed: a standby that reads alone, or a log-out in another window, refuses that."""
    anna.raise_request_exception = False
    find = reverse("admin:desk_find")
    with patch.object(Session, "save", side_effect=OperationalError("attempt to write a readonly database")):
        answer = anna.post(find, {"q": "nobody@example.com"})
    assert answer.status_code == 503
    assert "The database does not answer" in page_of(answer)

    def ended(*_: object) -> Found:
        Session.objects.all().delete()
        return Found([], "", None)

    with patch("dlq.admin.finding.find_page.look", ended):
        answer = anna.post(find, {"q": "nobody@example.com"})
    assert answer.status_code == 400
    assert "Your session has ended" in page_of(answer)


@pytest.mark.django_db
def test_an_error_of_ours(anna: Client) -> None:
    anna.raise_request_exception = False
    with patch("dlq.admin.lists.letter_list.selection_of", side_effect=ZeroDivisionError("secret")):
        answer = anna.get(LIST)
    assert answer.status_code == 500
    page = page_of(answer)
    assert "Something went wrong here" in page
    assert "secret" not in page


@pytest.mark.django_db
def test_a_statement_that_takes_too_long(anna: Client) -> None:
    anna.raise_request_exception = False
    error = OperationalError("canceling statement")
    error.__cause__ = Cancelled()
    with patch("dlq.admin.story.story_page.story_of", side_effect=error):
        answer = anna.get(reverse("admin:dlq_deadletter_change", args=[letter().pk]))
    assert answer.status_code == 503
    assert "This takes too long to find" in page_of(answer)


@pytest.mark.django_db
def test_a_session_that_ended_while_somebody_typed(anna: Client) -> None:
    """Whoever logs in again is where the form was, and knows that it was not carried out."""
    question = f"{reverse('admin:dlq_deadletter_verb', args=['discard'])}?ids={letter().pk}"
    assert anna.get(question).status_code == 200
    Session.objects.all().delete()
    posted = anna.post(
        question.partition("?")[0], {"ids": "1", "reason": "typed"}, HTTP_REFERER=f"http://testserver{question}"
    )
    assert posted.status_code == 302
    shown = anna.get(posted.headers["Location"])
    assert "Your session had ended, so nothing was done." in page_of(shown)
    assert shown.context["next"] == question
    assert DeadLetter.objects.get().state == "open"


@pytest.mark.django_db
def test_a_page_of_another_site_is_not_gone_back_to(support: Client) -> None:
    Session.objects.all().delete()
    posted = support.post(LIST, {"action": "x"}, HTTP_REFERER="https://evil.example/admin/")
    assert "evil" not in posted.headers["Location"]
