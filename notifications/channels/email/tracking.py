"""What a provider of anymail's reports on mails: anymail checks and reads it, this bounds it and translates."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import EventType, RejectReason
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.utils.module_loading import import_string

from notifications.channels.email.bounces import kind_of_bounce
from notifications.channels.email.rules import Email
from notifications.channels.receipts import Event, Forged, NeedsLogin, NotOpen, ReceiptType, Refused, TooMany
from notifications.channels.redaction import message_id, shown

log = logging.getLogger(__name__)

PROVIDER_ID = re.compile(r"[A-Za-z0-9._@<>:+/=-]{1,255}")
ID = "notification_id"  # under this name an id travels to the provider and back, where the provider takes metadata
MOST_EVENTS = 1_000
LONGEST_RECEIVER = 320
SES = "amazon_ses"
LOGIN = "WEBHOOK_SECRET"  # the setting with the name and password that callbacks have in their URL

# anymail's views, by what EMAIL_BACKEND calls the provider, and the settings of those that sign with a key of their
# own. Two need the name and password as well: everybody can have Amazon sign something, and Mailgun's signature is not
# over the event.
VIEWS = {
    "amazon_ses": "AmazonSESTrackingWebhookView",
    "brevo": "BrevoTrackingWebhookView",
    "mailersend": "MailerSendTrackingWebhookView",
    "mailgun": "MailgunTrackingWebhookView",
    "mailjet": "MailjetTrackingWebhookView",
    "mailtrap": "MailtrapTrackingWebhookView",
    "mandrill": "MandrillCombinedWebhookView",
    "postal": "PostalTrackingWebhookView",
    "postmark": "PostmarkTrackingWebhookView",
    "resend": "ResendTrackingWebhookView",
    "sendgrid": "SendGridTrackingWebhookView",
    "sparkpost": "SparkPostTrackingWebhookView",
    "unisender_go": "UnisenderGoTrackingWebhookView",
}
OWN_KEYS = {
    "mailersend": "MAILERSEND_SIGNING_SECRET",
    "mailtrap": "MAILTRAP_SIGNING_SECRET",
    "mandrill": "MANDRILL_WEBHOOK_KEY",
    "postal": "POSTAL_WEBHOOK_KEY",
    "resend": "RESEND_SIGNING_SECRET",
    "sendgrid": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
    "unisender_go": "UNISENDER_GO_API_KEY",
}

# What anymail's views raise for an event that is not as they expect it.
UNREADABLE = (
    *(AnymailError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError),
    *(ImproperlyConfigured, RecursionError, TypeError, ValueError),  # the first for an event of another webhook
)
KINDS = {
    EventType.DELIVERED: ReceiptType.DELIVERED,
    EventType.COMPLAINED: ReceiptType.COMPLAINED,
    EventType.UNSUBSCRIBED: ReceiptType.UNSUBSCRIBED,
    EventType.FAILED: ReceiptType.UNDELIVERED,
}
OF_REASON = {
    RejectReason.INVALID: ReceiptType.BOUNCED,
    RejectReason.TIMED_OUT: ReceiptType.SOFT_BOUNCED,
    RejectReason.BLOCKED: ReceiptType.UNDELIVERED,
    RejectReason.SPAM: ReceiptType.UNDELIVERED,
    RejectReason.UNSUBSCRIBED: ReceiptType.OPTED_OUT,
}


def is_open(provider: str) -> bool:
    """Returns whether callbacks of this provider are taken: mails go through it, and something can check them."""
    used = provider in VIEWS and f"anymail.backends.{provider}.EmailBackend" == settings.EMAIL_BACKEND
    return bool(used and (settings.ANYMAIL.get(LOGIN) or settings.ANYMAIL.get(OWN_KEYS.get(provider, ""))))


def read(provider: str, environ: Mapping[str, Any], body: bytes) -> list[Event]:
    """Returns what a callback says: one event for each mail of which there is something to note. Raises Refused.

    `environ` is that of the call, of which the path and the headers count, and `body` its whole body.
    """
    if not is_open(provider):
        raise NotOpen
    if settings.ANYMAIL.get(LOGIN) and "HTTP_AUTHORIZATION" not in environ:
        raise NeedsLogin
    view, request = _view(provider), _request(environ, body)
    name = str(view.esp_name).lower()
    _ask(partial(view.run_validators, request))
    if provider == SES and not _is_notification(body):
        return []
    found = _ask(partial(view.parse_events, request))
    if len(found) > MOST_EVENTS:
        raise TooMany(f"A call has at most {MOST_EVENTS:,} events.")
    events = (_event(name, each) for each in found)
    return [event for event in events if event is not None]


def _ask(view: Callable[[], Any]) -> Any:
    try:
        return view()
    except AnymailWebhookValidationFailure as error:
        raise Forged from error
    except UNREADABLE as error:
        raise Refused from error


def _view(provider: str) -> Any:
    """Returns anymail's view. A part of it that is not installed closes the way, as a missing secret does."""
    try:
        return import_string(f"anymail.webhooks.{provider}.{VIEWS[provider]}")()
    except (ImproperlyConfigured, ImportError) as error:
        log.warning("Callbacks of %s are refused: %s", provider, error)
        raise NotOpen from error


def _request(environ: Mapping[str, Any], body: bytes) -> WSGIRequest:
    """Returns the call as anymail's views read it: bounded, and under the URL that the provider knows."""
    public = urlsplit(settings.PUBLIC_URL)
    where = {"wsgi.url_scheme": public.scheme, "HTTP_HOST": public.netloc} if public.netloc else {}
    return WSGIRequest({**environ, **where, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)})


def _is_notification(body: bytes) -> bool:
    """Returns whether Amazon reports on mails; it may want to know whether it may report to us. Raises Refused."""
    try:
        sns = import_module("notifications.channels.email.sns")
    except ImportError as error:  # cryptography is not installed
        log.warning("Callbacks of %s are refused: %s", SES, error)
        raise NotOpen from error
    return bool(sns.is_notification(body))


def _event(provider: str, found: Any) -> Event | None:
    """Returns what an event of anymail's says; None where there is nothing to note, or nobody whom it is about."""
    receiver = found.recipient
    kind = _kind(found)
    if kind is None or not isinstance(receiver, str) or not _is_address(receiver):
        return None
    words = "" if kind is ReceiptType.DELIVERED else f"{found.description or ''} {found.mta_response or ''}"
    return Event(
        provider,
        Email.name,
        receiver,
        kind,
        message_id(PROVIDER_ID, found.message_id, receiver),
        _moment(found.timestamp),
        shown(words, receiver),
        _id_in(found.metadata),
    )


def _kind(found: Any) -> ReceiptType | None:
    if found.event_type not in (EventType.BOUNCED, EventType.REJECTED):
        return KINDS.get(found.event_type)
    if found.reject_reason in OF_REASON:
        return OF_REASON[found.reject_reason]
    if found.event_type == EventType.REJECTED and found.reject_reason != RejectReason.BOUNCED:
        return ReceiptType.UNDELIVERED
    return kind_of_bounce(str(found.mta_response or ""), found.esp_event)


def _is_address(receiver: str) -> bool:
    return len(receiver) <= LONGEST_RECEIVER and Email.receiver_problem(receiver) is None


def _moment(given: Any) -> datetime | None:
    if not isinstance(given, datetime):
        return None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _id_in(metadata: Any) -> UUID | None:
    try:
        return UUID(str(metadata[ID]))
    except (LookupError, TypeError, ValueError):
        return None
