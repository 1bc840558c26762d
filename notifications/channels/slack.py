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

from notifications.causes import Cause
from notifications.channels import Channel, Outgoing, SendError
from notifications.channels.http import Answer, Http, refusal, retry_after, shown

ID = re.compile(r"[CGDUW][A-Z0-9]{8,20}")  # a conversation or a user
# No percent sign, so no encoded dots; no user, query, fragment, backslash or white space either.
URL = re.compile(r"[A-Za-z]+://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._~/-]+")
PORTS = {"https": 443, "http": 80}

# Slack's error codes, the same from a webhook (as the text of a 4xx) and from the Web API (in a 200).
# Of this receiver or message: trying again cannot help.
PERMANENT = {
    "action_prohibited": Cause.OPTED_OUT,  # an administrator forbids posting there
    "cannot_dm_bot": Cause.UNKNOWN_RECEIVER,
    "channel_is_archived": Cause.UNKNOWN_RECEIVER,
    "channel_not_found": Cause.UNKNOWN_RECEIVER,
    "invalid_blocks": Cause.REJECTED_CONTENT,
    "invalid_payload": Cause.REJECTED_CONTENT,
    "invalid_token": Cause.UNKNOWN_RECEIVER,  # a webhook that does not exist
    "is_archived": Cause.UNKNOWN_RECEIVER,
    "messages_tab_disabled": Cause.OPTED_OUT,
    "msg_too_long": Cause.REJECTED_CONTENT,
    "no_active_hooks": Cause.UNKNOWN_RECEIVER,  # the webhook was switched off
    "no_service": Cause.UNKNOWN_RECEIVER,  # the webhook was removed
    "no_service_id": Cause.UNKNOWN_RECEIVER,
    "no_team": Cause.UNKNOWN_RECEIVER,
    "no_text": Cause.REJECTED_CONTENT,
    "not_in_channel": Cause.CREDENTIALS,  # the bot has to be invited there
    "posting_to_general_channel_denied": Cause.OPTED_OUT,
    "restricted_action": Cause.OPTED_OUT,
    "restricted_action_read_only_channel": Cause.OPTED_OUT,
    "team_disabled": Cause.UNKNOWN_RECEIVER,
    "too_many_attachments": Cause.REJECTED_CONTENT,
    "user_not_found": Cause.UNKNOWN_RECEIVER,
}
# Of our account or of Slack: the next try may be answered otherwise.
TRANSIENT = {
    "access_denied": Cause.CREDENTIALS,
    "account_inactive": Cause.CREDENTIALS,
    "invalid_auth": Cause.CREDENTIALS,
    "missing_scope": Cause.CREDENTIALS,
    "no_permission": Cause.CREDENTIALS,
    "not_authed": Cause.CREDENTIALS,
    "rate_limited": Cause.THROTTLED,
    "ratelimited": Cause.THROTTLED,
    "request_timeout": Cause.CONNECTION,  # our request arrived in part
    "rollup_error": Cause.PROVIDER_ERROR,
    "service_unavailable": Cause.PROVIDER_ERROR,
    "team_added_to_org": Cause.PROVIDER_ERROR,
    "token_expired": Cause.CREDENTIALS,
    "token_revoked": Cause.CREDENTIALS,
}
# "It is possible some aspect of the operation succeeded", say Slack's pages.
UNCERTAIN = {"fatal_error", "internal_error"}

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
        if answer.status != 200:
            raise refused_webhook(answer, webhook)
        return ""

    def close(self) -> None:
        self._http.close()

    def _post_message(self, receiver: str, text: str) -> str:
        if self._api is None:
            raise SendError(
                Cause.CREDENTIALS, "SLACK_BOT_TOKEN is not set, so only webhooks can be sent to.", permanent=True
            )
        try:
            said = self._api.chat_postMessage(channel=receiver, text=text)
        except SlackApiError as error:
            answer = Answer(error.response.status_code, error.response.headers, b"")
            raise refused(answer, str(error.response["error"])) from None
        return f"{said['channel']}:{said['ts']}"


class _Lean(WebClient):
    """The SDK's requests over our transport, without its retries and its error log."""

    def __init__(self, http: Http, token: str, base_url: str) -> None:
        super().__init__(token=token, base_url=base_url, retry_handlers=[])
        self._http = http

    def _perform_urllib_http_request(self, *, url: str, args: dict[str, dict[str, Any]]) -> dict[str, Any]:
        answer = self._http.post(url, msgspec.json.encode(args["json"]), args["headers"])
        said = answer.json()
        if answer.status != 200:
            raise refused(answer, str(said.get("error") or ""))
        if not isinstance(said.get("ok"), bool):
            raise SendError(Cause.OUTCOME_UNKNOWN, "Slack answered 200 without saying ok or not.", uncertain=True)
        return {"status": answer.status, "headers": answer.headers, "body": answer.text}


def escape(text: str) -> str:
    """The three characters that mean something to Slack, as it wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refused_webhook(answer: Answer, webhook: Webhook) -> SendError:
    """What a webhook's refusal means: its body is a code."""
    code = shown(answer.text.strip(), webhook.url, webhook.path)
    if code not in PERMANENT and answer.status in WEBHOOK_STATUS:
        return SendError(WEBHOOK_STATUS[answer.status], f"{answer.status} {code}", permanent=True)
    return refused(answer, code)


def refused(answer: Answer, code: str) -> SendError:
    """What a refusal with this code means; the status decides where the code is not known."""
    detail = shown(f"{answer.status} {code}".strip())
    wait = retry_after(answer.headers.get("retry-after"))
    if code in PERMANENT:
        return SendError(PERMANENT[code], detail, permanent=True)
    if code in TRANSIENT:
        return SendError(TRANSIENT[code], detail, retry_after=wait)
    if code in UNCERTAIN:
        return SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True)
    return refusal(answer.status, detail, wait)


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
