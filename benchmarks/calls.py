"""What the bare loops say to a provider and hear from it, without the sockets: the same calls that our providers make.

Nothing of ours carries them, for a baseline must not change with what it is compared with. Only a mail is written
by our own hand, so that all sides send the same bytes.
"""

from __future__ import annotations

import argparse
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import msgspec
from django.conf import settings
from urllib3 import make_headers

from benchmarks.traffic import receiver_of, text_of
from notifications.channels.email.mime import address_of, mime
from notifications.channels.email.writer import Writer

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
LAST_LINE = re.compile(rb"^(\d{3}) .*\r\n", re.MULTILINE)  # of each SMTP reply


class Item(msgspec.Struct):
    """What a channel reads of a notification."""

    id: UUID
    receiver: str
    subject: str
    message: str
    html: str = ""
    traceparent: str = ""
    unsubscribe: str = ""


class Exchange(NamedTuple):
    """What to write, and whether what came back is the whole answer. That raises AssertionError for a refusal."""

    data: bytes
    is_whole: Callable[[bytes], bool]


Conversation = Iterator[Exchange]  # all that one connection does


def arguments(description: str | None) -> argparse.Namespace:
    """Returns what a bare loop is called with: the channel, the count, `--url` and `--in-flight`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("channel", choices=list(CONVERSATIONS))
    parser.add_argument("count", type=int)
    parser.add_argument("--url", required=True)
    parser.add_argument("--in-flight", type=int, default=64)
    return parser.parse_args()


def items(channel: str, count: int, url: str) -> deque[Item]:
    """All that is to be sent, made beforehand."""
    numbers = range(count)
    return deque(Item(UUID(int=number), receiver_of(channel, number, url), "", text_of(number)) for number in numbers)


def taken_from(waiting: deque[Item]) -> Iterator[Item]:
    """Yields what is left, to any number of connections at once."""
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def over_smtp(waiting: Iterable[Item]) -> Conversation:
    """EHLO once; for each mail MAIL, RCPT and DATA at once, and then the mail."""
    writer = Writer.from_settings()
    yield Exchange(b"", partial(_replies, [b"220"]))
    yield Exchange(b"EHLO bench.example.com\r\n", partial(_replies, [b"250"]))
    for item in waiting:
        mail = writer.mail(item)
        envelope = f"MAIL FROM:<{address_of(mail.sender)}>\r\nRCPT TO:<{mail.receiver}>\r\nDATA\r\n".encode()
        yield Exchange(envelope, partial(_replies, [b"250", b"250", b"354"]))
        yield Exchange(mime(mail) + b".\r\n", partial(_replies, [b"250"]))


def _replies(expected: list[bytes], answer: bytes) -> bool:
    codes = LAST_LINE.findall(answer)
    assert codes == expected[: len(codes)], answer
    return len(codes) == len(expected)


def to_slack(waiting: Iterable[Item]) -> Conversation:
    for item in waiting:
        url = urlsplit(item.receiver)
        head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        yield _post(head, msgspec.json.encode({"text": item.message}), b"200")


def to_twilio(waiting: Iterable[Item]) -> Conversation:
    account = settings.TWILIO_ACCOUNT_SID
    login = make_headers(basic_auth=f"{account}:{settings.TWILIO_AUTH_TOKEN}")["authorization"]
    head = (
        f"POST /2010-04-01/Accounts/{account}/Messages.json HTTP/1.1\r\n"
        f"Host: {urlsplit(settings.TWILIO_BASE_URL).netloc}\r\nAuthorization: {login}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    for item in waiting:
        fields = {"To": item.receiver, "Body": item.message, "From": settings.TWILIO_FROM}
        yield _post(head, urlencode(fields).encode(), b"201")


def _post(head: str, body: bytes, status: bytes) -> Exchange:
    return Exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, partial(_is_whole, status))


def _is_whole(status: bytes, answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = LENGTH.search(head)
    assert length and head[9:12] == status, head
    return len(body) == int(length[1])


CONVERSATIONS: dict[str, Callable[[Iterable[Item]], Conversation]] = {
    "EMAIL": over_smtp,
    "SLACK": to_slack,
    "SMS": to_twilio,
}
