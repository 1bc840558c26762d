"""/u/<token>, as mail programs, their scanners and people use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from notifications.messages.ids import person_hash, receiver_hash
from notifications.messages.words import CategoryKind, SuppressedFor
from notifications.models import Category, ForgottenHash
from users.recipients import preferences
from users.recipients.category_rules import CategoryRules
from users.recipients.decide import Action, Asked, decide
from users.recipients.facts import Receiver, facts_of
from users.recipients.models import PersonPreferences, PreferenceEvent, Suppression
from users.recipients.person import cell
from users.recipients.preferences import Changes, Source
from users.recipients.suppression import address_of, suppress
from users.recipients.unsubscribing.tokens import Link, token_of

pytestmark = pytest.mark.django_db

HASH = receiver_hash("EMAIL", "bob@example.com")
ANN = f"/u/{token_of(Link('EMAIL', 'news', 'ann'))}"
BOB = f"/u/{token_of(Link('EMAIL', 'news', '', HASH))}"
ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
links = pytest.mark.parametrize("link", [ANN, BOB], ids=["person", "address"])


@pytest.fixture
def mail_program() -> Client:
    """It keeps no cookies and has seen no page."""
    return Client(enforce_csrf_checks=True)


def one_click(client: Client, link: str, body: str = ONE_CLICK, kind: str = FORM) -> HttpResponse:
    answer: Any = client.generic("POST", link, body, kind)
    client.cookies.clear()
    assert isinstance(answer, HttpResponse)
    return answer


def gets(link: str, category: str = "news", *, kind: CategoryKind = CategoryKind.TRANSACTIONAL) -> bool:
    """Returns whether whoever has this link is sent something of the category, by the rules of a sender."""
    receiver = Receiver("ann" if link == ANN else "", "EMAIL", "bob@example.com", HASH)
    facts = facts_of([receiver])
    asked = Asked(CategoryRules(category, kind), "EMAIL")
    return decide(asked, facts.people[receiver], facts.now).action is Action.SEND


@contextmanager
def nothing_written() -> Iterator[None]:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        assert sql.lstrip("/* \n").upper().startswith(("SELECT", "SAVEPOINT", "RELEASE", "KNOWN_OF")), sql
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


@links
def test_a_hundred_gets_and_heads_write_nothing_and_two_posts_unsubscribe(mail_program: Client, link: str) -> None:
    with nothing_written():
        for _ in range(100):
            assert mail_program.get(link).status_code == 200
            assert mail_program.head(link).status_code == 200
            assert mail_program.get(link, headers={"Purpose": "prefetch"}).status_code == 200
    assert gets(link)
    for _ in range(2):
        answer = one_click(mail_program, link)
        assert answer.status_code == 200
        assert not answer.cookies
        assert not gets(link)


@links
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ONE_CLICK, FORM),
        ('--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
         "multipart/form-data; boundary=x"),
        ("", FORM),
        ("", ""),
        ("{}", "application/json"),
        ("--x\r\nbroken", "multipart/form-data; boundary=x"),
        ("--x", "multipart/form-data"),
        ("a=%FF%FE&do=%00", FORM),
        (ONE_CLICK, f"{FORM}; charset=nonsense"),
        ("do=what", FORM),
        ("a=1&" * 2_000, FORM),
        ("x" * 20_000, FORM),
    ],
)  # fmt: skip
def test_any_form_unsubscribes(mail_program: Client, link: str, body: str, kind: str) -> None:
    assert one_click(mail_program, link, body, kind).status_code == 200
    assert not gets(link)


def test_a_person_made_a_choice_which_is_recorded_once() -> None:
    client = Client(REMOTE_ADDR="203.0.113.77")
    one_click(client, ANN)
    one_click(client, ANN)
    assert not Suppression.objects.exists()
    chosen = preferences.of("ann").choices
    assert {key: choice.on for key, choice in chosen.items()} == {cell("news", "EMAIL"): False}
    event = PreferenceEvent.objects.get()
    assert (event.username, event.source, event.after) == ("ann", "unsubscribe", "off")
    assert event.address == "203.0.113.0/24"


def test_an_address_without_a_person_is_suppressed_for_the_category() -> None:
    one_click(Client(), BOB)
    one_click(Client(), BOB)
    assert not PersonPreferences.objects.exists()
    row = Suppression.objects.get()
    assert (row.address_hash, row.channel, row.scope) == (HASH, "EMAIL", "news")
    assert (row.reason, row.until) == (SuppressedFor.UNSUBSCRIBED, None)


def test_an_old_link_of_somebody_who_was_erased_writes_nothing_about_them() -> None:
    ForgottenHash.objects.create(hash=person_hash("ann"), before=timezone.now())
    assert one_click(Client(), ANN).status_code == 200
    assert not PersonPreferences.objects.exists()
    assert not PreferenceEvent.objects.exists()


@links
def test_only_the_category_is_stopped(link: str) -> None:
    """Elsewhere, to unsubscribe from one list meant all of them."""
    one_click(Client(), link)
    assert not gets(link)
    assert gets(link, "billing")
    assert gets(link, "news", kind=CategoryKind.MANDATORY)


@links
def test_everything_is_stopped_but_what_is_mandatory_and_that_is_undone(link: str) -> None:
    Client().post(link, {"do": "all-off"})
    assert not gets(link)
    assert not gets(link, "billing")
    assert gets(link, "security", kind=CategoryKind.MANDATORY)
    Client().post(link, {"do": "all-on"})
    assert gets(link)
    assert gets(link, "billing")


@links
def test_it_is_undone(link: str) -> None:
    one_click(Client(), link)
    Client().post(link, {"do": "on"})
    assert gets(link)


@links
def test_undoing_it_lifts_nothing_else(link: str) -> None:
    suppress(address_of("EMAIL", "bob@example.com"), SuppressedFor.BOUNCED)
    for verb in ("on", "all-on"):
        Client().post(link, {"do": verb})
    assert not gets(link)


@links
def test_the_page_says_how_things_stand(link: str) -> None:
    client = Client()
    assert buttons(client.get(link)) == ["off", "all-off"]
    assert buttons(client.post(link, {"do": "off"})) == ["on", "all-off"]
    assert buttons(client.get(link)) == ["on", "all-off"]
    assert buttons(client.post(link, {"do": "all-off"})) == ["all-on"]
    assert buttons(client.get(link)) == ["all-on"]
    assert "“news”" in client.post(link, {"do": "on"}).content.decode() or link == BOB


def test_who_switched_everything_off_and_this_on_again_sees_that() -> None:
    preferences.change("ann", Changes(all_off=True), actor="ann", source=Source.PAGE)
    Client().post(ANN, {"do": "on"})
    assert buttons(Client().get(ANN)) == ["off", "all-on"]


def test_what_is_mandatory_has_no_button() -> None:
    Category.objects.create(name="news", kind=CategoryKind.MANDATORY)
    page = Client().get(ANN)
    assert "mandatory" in page.content.decode()
    assert buttons(page) == ["all-off"]
    assert one_click(Client(), ANN).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("link", ["/u/wrong", ANN[:-2], ANN + "AAAA", "/u/" + "A" * 5_000])
def test_a_wrong_link_is_a_page_that_says_so(method: str, link: str) -> None:
    answer: Any = Client().generic(method, link, ONE_CLICK if method == "POST" else "", FORM)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not PersonPreferences.objects.exists()
    assert not Suppression.objects.exists()


@links
def test_no_page_names_the_reader_or_may_be_kept(link: str) -> None:
    for answer in (Client().get(link), one_click(Client(), link), Client().get("/u/wrong")):
        page = answer.content.decode()
        assert not {"bob@example.com", "ann", HASH} & set(page.replace("“", " ").split())
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "script" not in page
        assert "Vary" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_names_are_written_as_text() -> None:
    page = Client().get(f"/u/{token_of(Link('EMAIL', '<b>&', 'ann'))}").content.decode()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_do_nothing(method: str) -> None:
    answer: Any = Client().generic(method, ANN)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert not PersonPreferences.objects.exists()


def buttons(answer: Any) -> list[str]:
    return [part.partition('"')[0] for part in answer.content.decode().split('name="do" value="')[1:]]
