"""A long text from outside costs no more than reading it: every expression, and every way in.

A bound is on CPU time, and generous: what is quadratic takes minutes for a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from dlq.repair import client_of
from notifications.api.submit import read_key
from notifications.channels import channel_class, channel_names, redaction, sandbox
from notifications.channels.email import address, backend, mime
from notifications.channels.slack import rules as slack
from notifications.channels.slack import web_api
from notifications.channels.sms import rules as sms
from notifications.channels.sms import twilio
from notifications.channels.transport import hosts
from notifications.channels.transport.smtp import replies as smtp_replies
from notifications.messages import tracing
from notifications.messages.draft import read_batch, read_request
from notifications.messages.explain import Invalid
from notifications.messages.ids import receiver_hash
from notifications.messages.message import Unreadable, from_record
from notifications.messages.rules import LINE_BREAK
from project.desk.search import notification_matches
from project.web import paging
from users.people.directory import read_entry, username_problem

MOST_SECONDS = 2.0  # of processor time, on a busy machine; what is not linear takes minutes
MEGABYTE = 1_000_000

TEXTS = {
    "letters": "a",
    "digits": "1",
    "dots": ".",
    "at signs": "@",
    "a@": "a@",
    "a.": "a.",
    "@a.": "@a.",
    "blanks": " ",
    "quotes": '"',
    "single quotes": "'",
    "backslashes": '\\"',
    "angles": "<",
    "percent": "%",
    "percent 41": "%41",
    "plus": "+",
    "slashes": "/",
    "dashes": "-",
    "x-": "x-",
    "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkwKy8",
    "ideographs": "".join(map(chr, range(0x4E00, 0x4E00 + 3_000))),
    "labels": "ä.",
    "combining": "\u0301",
    "magic": "/transient+",
    "enhanced": "5.7.1 ",
    "behind": "(#5.7.1",
    "breaks": "\r\n",
}


def megabyte(name: str) -> str:
    unit = TEXTS[name]
    return (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]


WORST = ["a@", "dots", "blanks", "quotes", "percent 41", "base64", "ideographs", "labels", "magic"]
texts = pytest.mark.parametrize("text", [megabyte(name) for name in WORST], ids=WORST)


RECORD = {
    "v": 1,
    "id": "00000000-0000-7000-8000-000000000000",
    "client": "shop",
    "accepted_at": "2026-01-01T00:00:00Z",
    "receiver": "bob@example.com",
}


@contextmanager
def cheap() -> Iterator[None]:
    began = thread_time()
    yield
    assert thread_time() - began < MOST_SECONDS


# Expressions.

PROVIDERS = (backend, twilio, web_api)
EXPRESSIONS = {
    f"{module.__name__}.{name}": value
    for module in (*PROVIDERS, address, hosts, mime, paging, redaction, sandbox, slack, sms, smtp_replies, tracing)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
} | {"message.LINE_BREAK": LINE_BREAK}
# The others are used to match a text from its beginning.
SEARCHED = {LINE_BREAK, mime.LINE_END, mime.SPECIALS, address.QUOTED_PAIR}


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
def test_every_expression_is_linear(name: str) -> None:
    expression = EXPRESSIONS[name]
    for text in map(megabyte, TEXTS):
        for typed in (text, f"a@{text}!"):
            with cheap():
                bytes_or_text: Any = typed.encode() if isinstance(expression.pattern, bytes) else typed
                expression.match(bytes_or_text)
                expression.fullmatch(bytes_or_text)
                if expression in SEARCHED:
                    expression.search(bytes_or_text)


@texts
def test_a_providers_words_are_shown_cheaply(text: str) -> None:
    with cheap():
        assert len(redaction.shown(text, "bob@example.com")) <= 1_000
        smtp_replies.refusal("rcpt", 550, text.encode(), "bob@example.com")


# Ways in.


@pytest.mark.parametrize("name", channel_names())
@texts
def test_the_rules_of_a_channel(name: str, text: str) -> None:
    rules = channel_class(name)
    for receiver in (
        text,
        f"a@{text}",
        f"a@{text}.com",
        f"{text}@example.com",
        f"https://hooks.slack.com/services/{text}",
    ):
        with cheap():
            rules.receiver_problem(receiver)
            rules.canonical(receiver)
            receiver_hash(name, receiver)
            rules.mask(receiver)
            sandbox.magic(receiver)


def refused(call: Callable[[], object], error: type[Exception]) -> str:
    with cheap(), pytest.raises(error) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    "field", ["receiver", "subject", "category", "reference", "user", "priority", "expires_at", "type"]
)
@texts
def test_requests_items_and_records(field: str, text: str) -> None:
    draft = {"type": "EMAIL", "receiver": "bob@example.com", "message": "Hi"} | {field: text}
    if field == "user":
        del draft["receiver"]
    assert field in refused(lambda: read_request(msgspec.json.encode(draft)), Invalid)
    assert field in refused(lambda: read_batch(msgspec.json.encode({"notifications": [draft]})), Invalid)
    record = dict(RECORD) | draft
    record["channel"] = record.pop("type")
    refused(lambda: from_record(msgspec.json.encode(record)), Unreadable)


def test_a_batch_of_long_receivers() -> None:
    """Five thousand, as long as a batch's body allows: one letter costs no more than it does in a short one."""
    item = {"type": "EMAIL", "receiver": "a@" + "ä" * 400 + ".com", "message": "Hi"}
    body = msgspec.json.encode({"notifications": [item] * 5_000})
    assert "receiver" in refused(lambda: read_batch(body), Invalid)


@texts
def test_headers(text: str) -> None:
    request = RequestFactory().post("/notification", HTTP_IDEMPOTENCY_KEY=text)
    refused(lambda: read_key(request), Invalid)
    with cheap():
        tracing.trace(text)
        tracing.trace_id_of(text)


@texts
def test_the_directory(text: str) -> None:
    entry = {"name": text, "devices": [{"type": "EMAIL", "address": text}, {"type": text, "address": f"a@{text}"}]}
    refused(lambda: read_entry(msgspec.json.encode(entry)), Invalid)
    with cheap():
        assert username_problem(text)
        client_of(text.encode())


@pytest.mark.parametrize(
    "name", ["receiver", "user", "reference", "status", "type", "since", "until", "cursor", "page_size"]
)
@pytest.mark.django_db
def test_list_filters(name: str, client: Client, settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    query = urlencode({name: megabyte("labels")})
    client.get("/health/live")  # the first call imports the views
    with cheap():
        assert client.get(f"/notifications?{query}").status_code == 400


@texts
def test_the_admins_search(text: str) -> None:
    with cheap():
        list(notification_matches(text))
