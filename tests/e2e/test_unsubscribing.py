"""Real processes and a real mail server: a mail's link stops its category, and an address that bounces is let alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.fakes.smtp import SmtpFake
from harness.platform import Platform, wait_until
from harness.services.process import free_ports

CATEGORIES = (
    "from notifications.models import Category as C; "
    "[C.objects.get_or_create(name=n) for n in ('news', 'billing')]; "
    "C.objects.create(name='security', kind='mandatory')"
)
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def mails() -> Iterator[SmtpFake]:
    with SmtpFake() as fake:
        yield fake


@pytest.fixture
def site(tmp_path: Path, mails: SmtpFake) -> Iterator[Platform]:
    (port,) = free_ports(1)
    with Platform.embedded(tmp_path) as platform:
        platform.environment |= {"EMAIL_URL": mails.url, "PUBLIC_URL": f"http://127.0.0.1:{port}/"}
        platform.manage("migrate", "--verbosity", "0")
        platform.manage("shell", "-v", "0", "-c", CATEGORIES)
        platform.start_web(port=port)
        platform.start_sender("--channels", "EMAIL")
        yield platform


def wait_for_mails(mails: SmtpFake, count: int) -> list[EmailMessage]:
    wait_until(lambda: len(mails.mails) == count, what=f"{count} mails")
    return mails.parsed()


def is_suppressed(site: Platform, send: Callable[[], object]) -> bool:
    """Sends once more, and returns whether one of these was suppressed."""
    send()
    wait_until(lambda: not site.statuses() & Counter(accepted=1, queued=1, sending=1), what="it has ended")
    return site.statuses()["suppressed"] > 0


@pytest.mark.parametrize("user", ["", "bob"])
def test_one_click_stops_one_category_and_nothing_that_is_mandatory(site: Platform, mails: SmtpFake, user: str) -> None:
    device = b'{"devices": [{"type": "EMAIL", "address": "bob@example.com"}]}'
    site.request("PUT", "/users/bob", device, {"Content-Type": "application/json"})
    to = {"user": "bob"} if user else {"type": "EMAIL", "receiver": "bob@example.com"}

    def send(category: str) -> None:
        assert site.post({**to, "message": "Hello", "category": category}).status == 202

    send("news")
    (mail,) = wait_for_mails(mails, 1)
    link = mail["List-Unsubscribe"].strip("<>")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith(f"{site.environment['PUBLIC_URL']}u/")
    path = urlsplit(link).path
    for _ in range(100):
        assert site.request("GET", path).status == 200
        assert site.request("HEAD", path).status == 200
    send("news")
    wait_for_mails(mails, 2)
    for _ in range(2):
        answer = site.request("POST", path, ONE_CLICK, FORM)
        assert answer.status == 200
        assert not {"set-cookie", "location"} & set(answer.headers)
    wait_until(lambda: is_suppressed(site, lambda: send("news")), what="news are suppressed, within a second or so")
    before = len(mails.mails)
    send("news")
    send("billing")
    send("security")
    billing, security = sorted(
        wait_for_mails(mails, before + 2)[before:], key=lambda each: "List-Unsubscribe" not in each
    )
    assert "List-Unsubscribe" in billing
    assert "List-Unsubscribe" not in security
    assert "List-Unsubscribe-Post" not in security


def test_an_address_that_does_not_exist_is_tried_once(site: Platform, mails: SmtpFake) -> None:
    mails.answer("gone@example.com", phase="rcpt", reply="550 5.1.1 <gone@example.com>: User unknown")
    site.send("gone@example.com")
    site.wait_for(dead=1)
    wait_until(
        lambda: is_suppressed(site, lambda: site.send("gone@EXAMPLE.com")),
        what="the next ones are suppressed, within a second or so",
    )
    assert [row["reason"] for row in site.sql("SELECT reason FROM users_suppression")] == ["bounced"]
    assert "example.com" not in str(site.sql("SELECT * FROM users_suppression"))
