"""What Twilio tells us over HTTP: the status of a text that was sent, and a text that somebody answered with."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from twilio.request_validator import RequestValidator

from notifications.channels.receipts import Event, Forged, NotOpen, ReceiptType, Refused, type_of
from notifications.channels.redaction import message_id, shown
from notifications.channels.sms.rules import Sms
from notifications.channels.sms.twilio_codes import CODES

PROVIDER = "twilio"
STATUS = "/callbacks/twilio/status"
INBOUND = "/callbacks/twilio/inbound"
ID = "n"  # of the notification, in the query of the URL that Twilio calls
SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
CODE = re.compile(r"[0-9]{1,6}")
LONGEST_RECEIVER = 64
MOST_FIELDS = 100  # a message with ten pictures has some fifty

DELIVERED = ("delivered", "read")
FAILED = ("undelivered", "failed")

# Of Twilio, the carriers and other providers, in English and French. Compared without case, accents and blanks.
STOP_WORDS = frozenset(
    ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "REMOVE", "ARRET", "TD")
)
START_WORDS = frozenset(("START", "YES", "UNSTOP"))
LONGEST_WORD = 40  # characters of a text that may be one of these words
NO_LETTER = re.compile(r"[^A-Z]+")


def is_open() -> bool:
    """Returns whether Twilio's callbacks can be checked here."""
    return bool(settings.PUBLIC_URL and settings.TWILIO_AUTH_TOKEN)


def status_callback() -> str:
    """Returns the URL that Twilio is given with each text, "" where none can be: it calls public ones alone."""
    return f"{settings.PUBLIC_URL}{STATUS}" if settings.PUBLIC_URL.startswith("https://") else ""


def read_status(query: str, body: bytes, signature: str) -> list[Event]:
    """Returns what a status callback says, or nothing where it is a step on the way.

    `query` is that of the URL, as it was called. Raises Refused.
    """
    form = _checked(STATUS, query, body, signature)
    status, receiver = form.get("MessageStatus", ""), form.get("To", "")
    sid = message_id(SID, form.get("MessageSid"), receiver)
    if not sid:
        raise Refused("MessageSid must be that of a message.")
    if status not in (*DELIVERED, *FAILED) or not _is_number(receiver):
        return []
    code = form.get("ErrorCode", "")
    kind = ReceiptType.DELIVERED if status in DELIVERED else _failure(code)
    words = f"{status} {code if CODE.fullmatch(code) else ''} {form.get('ErrorMessage', '')}"
    detail = "" if kind is ReceiptType.DELIVERED else shown(words, receiver)
    return [Event(PROVIDER, Sms.name, receiver, kind, sid, detail=detail, notification_id=_id_in(query))]


def read_inbound(query: str, body: bytes, signature: str) -> list[Event]:
    """Returns what an inbound text asks for, or nothing where it is another text. Raises Refused."""
    form = _checked(INBOUND, query, body, signature)
    sender = form.get("From", "")
    sid = message_id(SID, form.get("MessageSid"), sender)
    if not sid:
        raise Refused("MessageSid must be that of a message.")
    kind = _asked_for(form.get("OptOutType", ""), form.get("Body", ""))
    return [Event(PROVIDER, Sms.name, sender, kind, sid)] if kind and _is_number(sender) else []


def _checked(path: str, query: str, body: bytes, signature: str) -> QueryDict:
    """Returns the form, whose signature is over the URL as Twilio knows it and not as a proxy passes it on."""
    if not is_open():
        raise NotOpen
    if not signature:
        raise Forged
    try:
        form = QueryDict(body, encoding="utf-8")
    except (SuspiciousOperation, ValueError) as error:
        raise Refused from error
    if len(form) > MOST_FIELDS:
        raise Refused(f"A form has at most {MOST_FIELDS} fields.")
    url = f"{settings.PUBLIC_URL}{path}" + (f"?{query}" if query else "")
    try:
        genuine = RequestValidator(settings.TWILIO_AUTH_TOKEN).validate(url, form, signature)
    except ValueError as error:  # a URL, or a text, that cannot be one
        raise Refused from error
    if not genuine:
        raise Forged
    return form


def _failure(code: str) -> ReceiptType:
    meaning = CODES.get(int(code)) if CODE.fullmatch(code) else None
    return type_of(meaning.bounce if meaning else None)


def _asked_for(opt_out_type: str, text: str) -> ReceiptType | None:
    """Returns what Twilio took the text for, where the account lets it decide; else what its one word asks for."""
    word = opt_out_type or (_word(text) if len(text) <= LONGEST_WORD else "")
    if word in STOP_WORDS:
        return ReceiptType.STOP
    return ReceiptType.START if word in START_WORDS else None


def _word(text: str) -> str:
    return NO_LETTER.sub("", unicodedata.normalize("NFKD", text).upper())


def _is_number(receiver: str) -> bool:
    return len(receiver) <= LONGEST_RECEIVER and Sms.receiver_problem(receiver) is None


def _id_in(query: str) -> UUID | None:
    try:
        return UUID(parse_qs(query, max_num_fields=10).get(ID, [""])[0])
    except ValueError:
        return None
