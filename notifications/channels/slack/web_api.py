"""Slack by incoming webhook, or by chat.postMessage with a bot token: the requests, and what their answers mean."""

from __future__ import annotations

import re
from typing import Self

import msgspec
from django.conf import settings

from notifications.channels.base import AsyncProvider, NotConfigured, Outgoing
from notifications.channels.meanings import BARRED, GONE
from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.redaction import message_id, shown
from notifications.channels.slack.codes import CODES
from notifications.channels.slack.rules import ID, Webhook, allowed_webhook
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.http import AGENT, Http

LONGEST_CODE = 64  # characters
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,20}")
TIME = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")  # Slack's name for a message of a channel

DEACTIVATED = "account_inactive"  # who made the webhook is no more; with our token it is about us

# A webhook is refused by itself, whatever the code: that says nothing of other receivers.
WEBHOOK_STATUS = {
    401: Cause.UNKNOWN_RECEIVER,
    403: Cause.OPTED_OUT,
    404: Cause.UNKNOWN_RECEIVER,
    410: Cause.UNKNOWN_RECEIVER,
}


class SlackApi(AsyncProvider):
    """Posts to a webhook, or as a bot to a conversation or a user."""

    name = "slack"

    def __init__(self, http: Http, *, token: str, base_url: str) -> None:
        """Without a `token` only webhooks can be sent to."""
        self._http = http
        self._token = token
        self._post_message_url = f"{base_url.rstrip('/')}/chat.postMessage"
        self._auth_test_url = f"{base_url.rstrip('/')}/auth.test"
        self._webhook_headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        self._api_headers = {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": AGENT,
            "Authorization": f"Bearer {token}",
        }

    @classmethod
    def from_settings(cls) -> Self:
        # Webhooks carry their own credential, so production needs nothing; a first try must not send anything.
        if settings.SANDBOX_ALLOWED and not settings.SLACK_CONFIGURED:
            raise NotConfigured("SLACK_BOT_TOKEN or SLACK_WEBHOOK_PREFIXES must be set for the SLACK channel.")
        http = Http(settings.SEND_TIMEOUT_SECONDS)
        return cls(http, token=settings.SLACK_BOT_TOKEN, base_url=settings.SLACK_BASE_URL)

    async def asend(self, notification: Outgoing) -> str:
        text = escape(notification.message)
        if ID.fullmatch(notification.receiver):
            return await self._post_message(notification.receiver, text, notification.traceparent)
        webhook = allowed_webhook(notification.receiver)
        if webhook is None:
            raise SendError(Cause.INVALID_RECEIVER, "Not under SLACK_WEBHOOK_PREFIXES.", permanent=True)
        body, trace = msgspec.json.encode({"text": text}), notification.traceparent
        answer = await self._http.post(webhook.url, body, self._webhook_headers, trace)
        if not 200 <= answer.status < 300:  # RFC 9110 15.3: any 2xx is a success
            raise refused_webhook(answer, webhook, self._token)
        return ""

    async def aprove(self) -> None:
        """Asks whose token this is. A webhook cannot be asked: all that it takes is a message."""
        if not self._token:
            return
        answer = await self._http.post(self._auth_test_url, b"{}", self._api_headers)
        fields = answer.json()
        if fields.get("ok") is not True:
            raise refused(answer, fields.get("error"), self._token)

    async def aclose(self) -> None:
        await self._http.close()

    async def _post_message(self, receiver: str, text: str, traceparent: str) -> str:
        if not self._token:  # webhooks go on
            raise BARRED.error("SLACK_BOT_TOKEN is not set, so only webhooks can be sent to.")
        body = msgspec.json.encode({"channel": receiver, "text": text})
        answer = await self._http.post(self._post_message_url, body, self._api_headers, traceparent)
        fields = answer.json()
        ok = fields.get("ok")
        if ok is False or not 200 <= answer.status < 300:
            raise refused(answer, fields.get("error"), receiver, self._token)
        if ok is not True:
            detail = f"Slack answered {answer.status} without saying ok or not."
            raise SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True)
        time = message_id(TIME, fields.get("ts"))
        channel = message_id(CHANNEL_ID, fields.get("channel"), receiver)  # of a user: the conversation with them
        return f"{channel}:{time}" if channel and time else time


def escape(text: str) -> str:
    """Returns the text with the three characters that mean something to Slack as it wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refused_webhook(answer: Answer, webhook: Webhook, token: str) -> SendError:
    """Returns what a webhook's refusal means. Its body is a code, and our account has no part in it."""
    code = answer.body[: LONGEST_CODE + 1].decode(errors="replace").strip()
    detail = f"{answer.status} {shown(answer.body, webhook.url, token)}".strip()
    wait = retry_after(answer.headers.get("retry-after"))
    meaning = GONE if code == DEACTIVATED else CODES.get(code)
    if meaning and meaning.cause is Cause.THROTTLED:
        return meaning._replace(about=About.RECEIVER).error(detail, wait)
    if meaning and meaning.cause is not Cause.CREDENTIALS:
        return meaning.error(detail, wait)
    if answer.status in WEBHOOK_STATUS:
        return SendError(WEBHOOK_STATUS[answer.status], detail, permanent=True)
    return status_error(answer.status, detail, wait, limits=About.RECEIVER)


def refused(answer: Answer, code: object, *secrets: str) -> SendError:
    """Returns what a refusal by the Web API means by its code. One that is not in the table never blames the text."""
    word = code if isinstance(code, str) else ""
    detail = f"{answer.status} {shown(word, *secrets)}".strip()
    wait = retry_after(answer.headers.get("retry-after"))
    if word in CODES:
        return CODES[word].error(detail, wait)
    if answer.status < 300:
        return SendError(Cause.PROVIDER_ERROR, detail, retry_after=wait)
    return status_error(answer.status, detail, wait, limits=About.RECEIVER, text_by_status=False)
