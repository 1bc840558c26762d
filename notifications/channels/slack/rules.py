"""Slack: by incoming webhook, or by chat.postMessage with a bot token.

A webhook URL is a credential, and a request to an address of the caller's choice: it is compared with the
allowed prefixes after parsing, at intake and again before sending, and never shown.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from notifications.channels.base import Channel, Outgoing
from notifications.channels.meanings import BARRED
from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.redaction import message_id, shown
from notifications.channels.slack.codes import CODES
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.http import Answer, Http

ID = re.compile(r"[CGDUW][A-Z0-9]{8,20}")  # a conversation or a user
# No percent sign, so no encoded dots; no user, query, fragment, backslash or white space either.
URL = re.compile(r"[A-Za-z]+://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._~/-]+")
PORTS = {"https": 443, "http": 80}
LONGEST_CODE = 64  # characters
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,20}")
TIME = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")  # Slack's name for a message of a channel

# A webhook is refused by itself, whatever the code: that says nothing of other receivers.
WEBHOOK_STATUS = {
    401: Cause.UNKNOWN_RECEIVER,
    403: Cause.OPTED_OUT,
    404: Cause.UNKNOWN_RECEIVER,
    410: Cause.UNKNOWN_RECEIVER,
}


class Webhook(NamedTuple):
    """A parsed URL, so that spellings of the same place are equal."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


class Slack(Channel):
    """Posts to a webhook, or as a bot to a conversation or a user."""

    name: ClassVar[str] = "SLACK"
    max_message: ClassVar[str] = "4,000 characters"
    provider = "slack"

    def __init__(self, http: Http, *, token: str, base_url: str) -> None:
        """Without a `token` only webhooks can be sent to."""
        self._http = http
        self._token = token
        self._api = _Lean(http, token, base_url) if token else None

    @classmethod
    def from_settings(cls) -> Self:
        # Webhooks carry their own credential, so production needs nothing; a first try must not send anything.
        if settings.SANDBOX_ALLOWED and not settings.SLACK_CONFIGURED:
            raise ImproperlyConfigured("SLACK_BOT_TOKEN or SLACK_WEBHOOK_PREFIXES must be set for the SLACK channel.")
        return cls(
            Http(settings.SEND_TIMEOUT_SECONDS), token=settings.SLACK_BOT_TOKEN, base_url=settings.SLACK_BASE_URL
        )

    @classmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        if ID.fullmatch(receiver) or allowed_webhook(receiver):
            return None
        return (
            "Must be one incoming webhook URL that begins with "
            f"{' or '.join(settings.SLACK_WEBHOOK_PREFIXES)}, or the id of a channel or user such as C024BE91L."
        )

    @classmethod
    def canonical(cls, receiver: str) -> str:
        webhook = _parse(receiver)
        return webhook.url if webhook else receiver

    @classmethod
    def too_long(cls, text: str) -> bool:
        return len(text) > 4_000

    @classmethod
    def mask(cls, receiver: str) -> str:
        """An id in part; of a webhook the prefix and the workspace, never what makes it a credential."""
        if ID.fullmatch(receiver):
            return f"{receiver[0]}…{receiver[-3:]}"
        webhook = allowed_webhook(receiver)
        if webhook is None:
            return "…"
        prefix = next(prefix for prefix in _allowed() if _within(webhook, prefix))
        workspace, more, _ = webhook.path[len(prefix.path) :].partition("/")
        return f"{prefix.url}{workspace + '/' if more else ''}…"

    def send(self, notification: Outgoing) -> str:
        text = escape(notification.message)
        if ID.fullmatch(notification.receiver):
            return self._post_message(notification.receiver, text)
        webhook = allowed_webhook(notification.receiver)
        if webhook is None:
            raise SendError(Cause.INVALID_RECEIVER, "Not under SLACK_WEBHOOK_PREFIXES.", permanent=True)
        body = msgspec.json.encode({"text": text})
        answer = self._http.post(webhook.url, body, {"Content-Type": "application/json"})
        if not 200 <= answer.status < 300:  # RFC 9110 15.3: any 2xx is a success
            raise refused_webhook(answer, webhook, self._token)
        return ""

    def close(self) -> None:
        self._http.close()

    def _post_message(self, receiver: str, text: str) -> str:
        if self._api is None:  # webhooks go on
            raise BARRED.error("SLACK_BOT_TOKEN is not set, so only webhooks can be sent to.")
        try:
            said = self._api.chat_postMessage(channel=receiver, text=text)
        except SlackApiError as error:
            answer = Answer(error.response.status_code, error.response.headers, b"")
            raise refused(answer, error.response["error"], receiver, self._token) from None
        time = message_id(TIME, said.get("ts"))
        channel = message_id(CHANNEL_ID, said.get("channel"), receiver)  # of a user: the conversation with them
        return f"{channel}:{time}" if channel and time else time


class _Lean(WebClient):
    """The SDK's requests over our transport, without its retries and its error log."""

    def __init__(self, http: Http, token: str, base_url: str) -> None:
        super().__init__(token=token, base_url=base_url, retry_handlers=[])
        self._http = http

    def _perform_urllib_http_request(self, *, url: str, args: dict[str, dict[str, Any]]) -> dict[str, Any]:
        answer = self._http.post(url, msgspec.json.encode(args["json"]), args["headers"])
        said = {name: value for name, value in answer.json().items() if isinstance(value, str | bool)}
        if not 200 <= answer.status < 300:
            raise refused(answer, said.get("error"), args["json"]["channel"], str(self.token))
        if not isinstance(said.get("ok"), bool):
            raise SendError(
                Cause.OUTCOME_UNKNOWN, f"Slack answered {answer.status} without saying ok or not.", uncertain=True
            )
        return {"status": 200, "headers": answer.headers, "body": msgspec.json.encode(said).decode()}


def escape(text: str) -> str:
    """The three characters that mean something to Slack, as it wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refused_webhook(answer: Answer, webhook: Webhook, token: str) -> SendError:
    """What a webhook's refusal means: its body is a code. Our account has no part in it."""
    code = answer.body[: LONGEST_CODE + 1].decode(errors="replace").strip()
    detail = f"{answer.status} {shown(answer.body, webhook.url, token)}".strip()
    wait = retry_after(answer.headers.get("retry-after"))
    meaning = CODES.get(code)
    if meaning and meaning.cause is Cause.THROTTLED:
        return meaning._replace(about=About.RECEIVER).error(detail, wait)
    if meaning and meaning.cause is not Cause.CREDENTIALS:
        return meaning.error(detail, wait)
    if answer.status in WEBHOOK_STATUS:
        return SendError(WEBHOOK_STATUS[answer.status], detail, permanent=True)
    return status_error(answer.status, detail, wait, limits=About.RECEIVER)


def refused(answer: Answer, code: object, *secrets: str) -> SendError:
    """What a refusal by the Web API means: by its code; one that is not in the table never blames the text."""
    word = code if isinstance(code, str) else ""
    detail = f"{answer.status} {shown(word, *secrets)}".strip()
    wait = retry_after(answer.headers.get("retry-after"))
    if word in CODES:
        return CODES[word].error(detail, wait)
    if answer.status < 300:
        return SendError(Cause.PROVIDER_ERROR, detail, retry_after=wait)
    return status_error(answer.status, detail, wait, limits=About.RECEIVER, text_by_status=False)


def allowed_webhook(receiver: str) -> Webhook | None:
    """The parsed webhook, or None for whatever is not a URL under one of the allowed prefixes."""
    webhook = _parse(receiver)
    if webhook and any(_within(webhook, prefix) for prefix in _allowed()):
        return webhook
    return None


def _parse(text: str) -> Webhook | None:
    if not URL.fullmatch(text):
        return None
    try:
        url = urlsplit(text)
        port = url.port or PORTS.get(url.scheme, 0)
    except ValueError:
        return None
    if not url.hostname or {"", ".", ".."} & set(url.path[1:].removesuffix("/").split("/")):
        return None
    return Webhook(url.scheme, url.hostname, port, url.path)


def _within(webhook: Webhook, prefix: Webhook) -> bool:
    return webhook[:3] == prefix[:3] and webhook.path.startswith(prefix.path) and webhook.path[-1] != "/"


def _allowed() -> tuple[Webhook, ...]:
    return _parse_prefixes(tuple(settings.SLACK_WEBHOOK_PREFIXES))


@cache
def _parse_prefixes(prefixes: tuple[str, ...]) -> tuple[Webhook, ...]:
    parsed = (urlsplit(prefix) for prefix in prefixes)
    return tuple(
        Webhook(url.scheme, url.hostname or "", url.port or PORTS.get(url.scheme, 0), url.path) for url in parsed
    )
