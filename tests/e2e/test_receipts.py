"""Receipts over real HTTP: a provider calls the public URL, behind which are the shipped nginx and a web."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest

from harness.fakes.twilio import ACCOUNT, TOKEN, TwilioFake
from harness.platform import Platform, wait_until
from harness.services.nginx import NGINX, Nginx
from harness.services.shared import skip_without
from tests.notifications.callbacks import BOB, PUBLIC_URL, SECRET, form_body, login, postmark, signature, text_of

pytestmark = pytest.mark.sqlite  # the statements are tried on both elsewhere
STATUS, INBOUND = "/callbacks/twilio/status", "/callbacks/twilio/inbound"


@pytest.fixture(scope="module")
def twilio() -> Iterator[TwilioFake]:
    with TwilioFake() as fake:
        yield fake


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, twilio: TwilioFake) -> Iterator[Platform]:
    """A site whose public name the processes never see in a request: nginx passes on the one that it was asked for."""
    skip_without(None if NGINX else "nginx")
    directory = tmp_path_factory.mktemp("site")
    account = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_FROM": "+15005550006"}
    mail = {"EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend", "ANYMAIL_POSTMARK_SERVER_TOKEN": "x"}
    settings = account | mail | {
        "DATABASE_URL": f"sqlite:///{directory}/notifications.sqlite3",
        "SECRET_KEY": "for-tests-only-" * 4,
        "PUBLIC_URL": f"{PUBLIC_URL}/",
        "TWILIO_BASE_URL": twilio.url,
        "ANYMAIL_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    with Platform(directory, settings, f"sqlite://{directory}/notifications.sqlite3") as platform:
        platform.prepare()
        platform.start_web()
        platform.start_sender("--channels", "SMS")
        yield platform


@pytest.fixture(scope="module")
def front(site: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    front = Nginx(tmp_path_factory.mktemp("nginx"), site.ports[0])
    with front.process:
        wait_until(front.answers, deadline=30, what="nginx answers")
        yield front


def call(front: Nginx, path: str, form: dict[str, str], signed: str) -> int:
    kind = "application/x-www-form-urlencoded"
    return front.ask("POST", path, form_body(form), Content_Type=kind, X_Twilio_Signature=signed)[0]


def called(front: Nginx, url: str, form: dict[str, str]) -> int:
    """Calls a public URL as Twilio does. Returns the status of the answer."""
    path = url.removeprefix(PUBLIC_URL)
    assert path.startswith("/callbacks/")
    return call(front, path, form, signature(url, form, TOKEN))


def test_a_text_is_told_of_at_the_url_that_twilio_was_given(site: Platform, front: Nginx, twilio: TwilioFake) -> None:
    id = site.send(BOB, channel="SMS")
    twilio.wait_for(1)
    sent = next(request.form() for request in twilio.requests if request.form()["To"] == BOB)
    url = sent["StatusCallback"]
    assert urlsplit(url).query == f"n={id}"
    wait_until(lambda: site.get(f"/notification/{id}").json()["status"] == "sent", what="it is sent")
    sid = site.get(f"/notification/{id}").json()["provider_message_id"]
    form = {"AccountSid": ACCOUNT, "MessageSid": sid, "To": BOB, "MessageStatus": "delivered"}
    assert call(front, url.removeprefix(PUBLIC_URL), form, signature(f"https://localhost:{front.port}", form)) == 403
    assert site.get(f"/notification/{id}").json()["delivery"] is None
    assert [called(front, url, form) for _ in range(3)] == [204, 204, 204]
    assert site.get(f"/notification/{id}").json()["delivery"]["state"] == "delivered"
    assert called(front, url, form | {"MessageStatus": "undelivered", "ErrorCode": "30003"}) == 204
    assert site.get(f"/notification/{id}").json()["delivery"]["state"] == "bounced"
    assert len(site.sql("SELECT 1 AS one FROM notifications_receipt")) == 2
    as_signed = f"{PUBLIC_URL}{STATUS}?n={id}&a=caf%C3%A9%20x+y&b=%2F%2e"
    assert called(front, as_signed, form | {"MessageSid": f"SM{'d' * 32}"}) == 204


def test_who_answers_stop_gets_no_more_until_start(site: Platform, front: Nginx, twilio: TwilioFake) -> None:
    carol = "+14155550177"

    def ends_as(status: str, reason: str) -> bool:
        id = site.send(carol, channel="SMS")
        ended = ("sent", "suppressed")
        wait_until(lambda: site.get(f"/notification/{id}").json().get("status") in ended, what="the notification ends")
        shown = site.get(f"/notification/{id}").json()
        return (shown["status"], shown["reason"]) == (status, reason)

    for text, sid, end in (("Stop", "a", ("suppressed", "stop")), ("START", "b", ("sent", ""))):
        form = text_of(text, f"SM{sid * 32}", From=carol)
        assert call(front, INBOUND, form, "") == 403
        assert called(front, f"{PUBLIC_URL}{INBOUND}", form) == 204
        # The first suppression of a site is known to its senders within moments, each later one at once.
        wait_until(partial(ends_as, *end), what=f"a text ends as {end}")


def test_a_mail_provider_calls_with_its_secret(site: Platform, front: Nginx) -> None:
    path = "/callbacks/anymail/postmark/tracking/"
    for body, authorization, status in (
        (postmark("Bounce", Type="HardBounce"), login("events:wrong"), 403),
        (postmark("Bounce", Type="HardBounce"), login(), 200),
        (b" " * 1_100_000, login(), 413),
    ):
        answered, content, _ = front.ask(
            "POST", path, body, Content_Type="application/json", Authorization=authorization
        )
        assert answered == status, content
        assert status == 200 or json.loads(content)["code"]
    assert [row["reason"] for row in site.sql("SELECT reason FROM users_suppression WHERE channel = 'EMAIL'")] == [
        "bounced"
    ]
