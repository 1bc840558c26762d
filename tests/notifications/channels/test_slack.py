"""Slack: what goes over the wire, checked against Slack's published description of chat.postMessage.

The names below are out of slackapi/slack-api-specs at bc08db4 (chat.postMessage).
"""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from harness.fakes.slack import SlackFake
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.channels.slack.web_api import SlackApi
from notifications.channels.transport.http import Http
from tests.notifications.channels.parts import Note

PARAMETERS = {
    "as_user", "attachments", "blocks", "channel", "icon_emoji", "icon_url", "link_names", "mrkdwn", "parse",
    "reply_broadcast", "text", "thread_ts", "unfurl_links", "unfurl_media", "username",
}  # fmt: skip
CHANNEL = re.compile(r"[CGD][A-Z0-9]{8,}")
TS = re.compile(r"\d{10}\.\d{6}")


def slack(fake: SlackFake, *, token: str | None = None) -> SlackApi:
    return SlackApi(Http(5), token=fake.token if token is None else token, base_url=fake.api_url)


def test_a_webhook_gets_json_with_the_text(settings: Settings) -> None:
    with SlackFake() as fake:
        settings.SLACK_WEBHOOK_PREFIXES = [fake.webhook_prefix]
        assert slack(fake, token="").send(Note(fake.webhook("T1/B1/x"), "a < b & c > d, <!channel> 😀")) == ""
        request = fake.requests[0]
    assert (request.method, request.path) == ("POST", "/services/T1/B1/x")
    assert request.headers["content-type"] == "application/json"
    assert request.json() == {"text": "a &lt; b &amp; c &gt; d, &lt;!channel&gt; 😀"}


def test_an_id_goes_through_the_web_api() -> None:
    with SlackFake() as fake:
        words = slack(fake).send(Note("C024BE91L", "a & b"))
        request, answer = fake.requests[0], fake.answers[0]
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {fake.token}"
    assert request.headers["content-type"].startswith("application/json")
    assert request.json() == {"channel": "C024BE91L", "text": "a &amp; b"}
    assert set(request.json()) <= PARAMETERS
    assert words == answer["ts"]  # its channel is the receiver, who is not repeated in an id


def test_an_id_names_the_conversation_that_slack_opened_with_a_user() -> None:
    with SlackFake() as fake:
        fake.answer(body='{"ok": true, "channel": "D024BFF1M", "ts": "1503435956.000247"}')
        assert slack(fake).send(Note("U024BE7LH")) == "D024BFF1M:1503435956.000247"


def test_the_fake_answers_as_slack_describes() -> None:
    with SlackFake() as fake:
        slack(fake).send(Note("C024BE91L"))
        fake.answer("C024BE91L", status=200, code="is_archived")
        with pytest.raises(SendError):
            slack(fake).send(Note("C024BE91L"))
    good, bad = fake.answers
    assert set(good) == {"ok", "channel", "ts", "message"}
    assert good["ok"] is True
    assert CHANNEL.fullmatch(good["channel"])
    assert TS.fullmatch(good["ts"])
    assert set(bad) == {"ok", "error"}
    assert bad["ok"] is False


def test_an_id_without_a_token_waits_and_webhooks_go_on() -> None:
    with SlackFake() as fake:
        with pytest.raises(SendError, match="SLACK_BOT_TOKEN is not set") as caught:
            slack(fake, token="").send(Note("C024BE91L"))
        error = caught.value
        assert (error.cause, error.outcome, error.about) == (Cause.CREDENTIALS, Outcome.TRANSIENT, About.RECEIVER)
        assert fake.asked == 0


def test_a_wrong_token_is_our_fault_and_not_the_notifications() -> None:
    with SlackFake() as fake:
        with pytest.raises(SendError) as caught:
            slack(fake, token="xoxb-wrong").send(Note("C024BE91L"))
        assert (caught.value.cause, caught.value.outcome) == (Cause.CREDENTIALS, Outcome.TRANSIENT)
        assert "xoxb" not in str(caught.value)


def test_a_webhook_outside_the_prefixes_is_never_called(settings: Settings) -> None:
    with SlackFake() as fake, SlackFake() as elsewhere:
        settings.SLACK_WEBHOOK_PREFIXES = [fake.webhook_prefix]
        with pytest.raises(SendError) as caught:
            slack(fake).send(Note(elsewhere.webhook("T1/B1/secret")))
        assert (caught.value.cause, caught.value.permanent) == (Cause.INVALID_RECEIVER, True)
        assert "secret" not in str(caught.value)
        assert elsewhere.connections == 0


def test_a_webhooks_path_is_not_shown_even_if_the_server_repeats_it(settings: Settings) -> None:
    with SlackFake() as fake:
        settings.SLACK_WEBHOOK_PREFIXES = [fake.webhook_prefix]
        fake.answer(status=404, body="no hook at /services/T1/B1/secret")
        with pytest.raises(SendError) as caught:
            slack(fake).send(Note(fake.webhook("T1/B1/secret")))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", ["", "ok", "<html>", '{"ok": false}'])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_of_a_webhook_is_a_success(status: int, body: str, settings: Settings) -> None:
    with SlackFake() as fake:
        settings.SLACK_WEBHOOK_PREFIXES = [fake.webhook_prefix]
        fake.answer(accepted=status, body=body)
        assert slack(fake).send(Note(fake.webhook("T1/B1/secret"))) == ""
        assert len(fake.accepted) == 1


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"ok": "yes"}', "", '{"ok": true, "ts"'])
def test_a_200_that_does_not_say_ok_or_not_is_uncertain(body: str) -> None:
    with SlackFake() as fake:
        fake.answer(body=body)
        with pytest.raises(SendError) as caught:
            slack(fake).send(Note("C024BE91L"))
        assert caught.value.uncertain


def test_the_embedded_default_sends_nothing_to_slack(settings: Settings) -> None:
    settings.SANDBOX_ALLOWED, settings.SLACK_CONFIGURED = True, False
    with pytest.raises(ImproperlyConfigured, match="SLACK_BOT_TOKEN"):
        SlackApi.from_settings()
    settings.SLACK_CONFIGURED = True
    assert SlackApi.from_settings().name == "slack"


def test_in_production_webhooks_need_no_settings(settings: Settings) -> None:
    settings.SANDBOX_ALLOWED, settings.SLACK_CONFIGURED = False, False
    assert SlackApi.from_settings().name == "slack"
