"""What a mail server's refusal means and whom it is about: tables by enhanced status code, reply code and phase.

The enhanced codes are those of IANA's registry (RFC 3463 and its successors, among them RFC 4954, 7372, 7504 and
7505), the reply codes those of RFC 5321. docs/channels.md shows the whole of it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from notifications.channels.meanings import (
    ACCOUNT_REFUSED,
    ACCOUNT_THROTTLED,
    INVALID_RECEIVER,
    NOBODY_THERE,
    PROVIDER_FAILED,
    REJECTED_TEXT,
    SENDER_REFUSED,
    SOFT_BOUNCE,
    UNKNOWN_RECEIVER,
    UNREACHED,
    Meaning,
)
from notifications.channels.outcomes import About, Bounce, Cause, SendError
from notifications.channels.redaction import shown

Phase = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"]

ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
ENHANCED_BEHIND = re.compile(rb"\(#([245])\.(\d{1,3})\.(\d{1,3})\)")  # as qmail and its heirs write it
MAX_WORDS = 1_000  # bytes of a reply that are looked at

# Postfix checks client, name and sender at RCPT by default (smtpd_delay_reject) and gives them the codes
# it gives a receiver. These are the fixed words with which its smtpd_check.c begins.
POSTFIX = re.compile(
    rb"(?:[245]\.\d{1,3}\.\d{1,3} )?(?:<[^<>]{0,320}>: )?(?:Service unavailable[;,] )?(?:Unverified )?"
    rb"(Client host|Helo command|Sender address|Recipient address)(?: rejected:| \[)"
)
# Postfix, Exim, Sendmail, Exchange, OpenSMTPD: we may not send through this server to anybody elsewhere.
RELAY_DENIED = re.compile(
    rb"relay(?:ing)? (?:access )?(?:denied|not permitted|prohibited)|unable to relay", re.IGNORECASE
)


POLICY = Meaning(Cause.REJECTED_CONTENT, About.RECEIVER, permanent=True, policy=True)
POLICY_OF_TEXT = Meaning(Cause.REJECTED_CONTENT, About.TEXT, permanent=True, policy=True)
FULL = Meaning(Cause.MAILBOX_FULL, About.RECEIVER, bounce=Bounce.SOFT)


class ByPhase(NamedTuple):
    """What a code means before a receiver was named, when one was (RCPT, DATA), and after the mail."""

    session: Meaning
    receiver: Meaning
    mail: Meaning


def always(meaning: Meaning) -> ByPhase:
    return ByPhase(meaning, meaning, meaning)


Detail = tuple[int, int]  # (subject, detail) of an enhanced code

# The same whether the code is 4.x.x or 5.x.x.
EITHER_CLASS: dict[Detail, ByPhase] = {
    (1, 7): always(SENDER_REFUSED),  # bad sender's mailbox syntax
    (1, 8): always(SENDER_REFUSED),  # bad sender's system
    (2, 2): ByPhase(PROVIDER_FAILED, FULL, FULL),
    (2, 252): always(SENDER_REFUSED),  # Exchange: SendAsDenied
    (4, 5): always(ACCOUNT_THROTTLED),  # congestion, and daily quotas
    (5, 3): always(ACCOUNT_THROTTLED),  # too many recipients
    (7, 28): always(ACCOUNT_THROTTLED),  # mail flood
    # AUTH and TLS; DKIM, SPF and ARC.
    **dict.fromkeys([(7, detail) for detail in (8, 9, 10, 11, 12, 13, 14, 30)], always(ACCOUNT_REFUSED)),
    **dict.fromkeys([(7, detail) for detail in (20, 21, 22, 23, 24, 26, 27, 29)], always(SENDER_REFUSED)),
    (7, 25): always(ACCOUNT_REFUSED),  # our address has no name
}

# 5.x.x: by subject and detail, or by subject.
PERMANENT: dict[Detail | int, ByPhase] = {
    1: ByPhase(SENDER_REFUSED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),
    # No such mailbox, or domain; it has moved; the domain takes no mail (RFC 7505). The others of 5.1.x may be rules.
    **dict.fromkeys(((1, detail) for detail in (1, 2, 6, 10)), ByPhase(SENDER_REFUSED, NOBODY_THERE, UNKNOWN_RECEIVER)),
    (1, 3): ByPhase(SENDER_REFUSED, INVALID_RECEIVER._replace(bounce=Bounce.HARD), INVALID_RECEIVER),
    2: ByPhase(SENDER_REFUSED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),
    (2, 1): ByPhase(SENDER_REFUSED, UNKNOWN_RECEIVER._replace(bounce=Bounce.SOFT), UNKNOWN_RECEIVER),  # switched off
    (2, 3): always(REJECTED_TEXT),  # too large for the mailbox
    3: always(PROVIDER_FAILED),
    (3, 4): always(REJECTED_TEXT),  # too large for the system
    4: always(PROVIDER_FAILED),
    # No answer from the receiver's host; Exchange: no such receiver.
    (4, 1): ByPhase(PROVIDER_FAILED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),
    (4, 4): ByPhase(PROVIDER_FAILED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),  # no way to it
    6: ByPhase(SENDER_REFUSED, REJECTED_TEXT, REJECTED_TEXT),
    (6, 7): ByPhase(SENDER_REFUSED, INVALID_RECEIVER, REJECTED_TEXT),  # not an ASCII address
    7: ByPhase(ACCOUNT_REFUSED, POLICY, POLICY_OF_TEXT),
    (7, 17): ByPhase(ACCOUNT_REFUSED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),  # the mailbox has another owner now
    (7, 18): ByPhase(ACCOUNT_REFUSED, UNKNOWN_RECEIVER, UNKNOWN_RECEIVER),  # the domain has
}

# 4.x.x, by subject. What is not here is about the server, or about this receiver where it is the reply to RCPT.
TEMPORARY: dict[int, ByPhase] = {
    1: ByPhase(Meaning(Cause.PROVIDER_ERROR, About.SENDER), SOFT_BOUNCE, UNREACHED),
    2: ByPhase(PROVIDER_FAILED, SOFT_BOUNCE, UNREACHED),
    7: ByPhase(Meaning(Cause.PROVIDER_ERROR, About.ACCOUNT), UNREACHED, PROVIDER_FAILED),
}
OTHER_TEMPORARY = ByPhase(PROVIDER_FAILED, UNREACHED, PROVIDER_FAILED)

# Replies without an enhanced code, or with one that tells of the protocol alone (5.5.x, 5.0.0).
LOGIN_WANTED = frozenset({432, 523, 525, 530, 534, 535, 538})  # RFC 4954, RFC 5248
AT_CONNECT = {500: PROVIDER_FAILED, 502: PROVIDER_FAILED}  # otherwise we are not let in
AT_MAIL = {552: REJECTED_TEXT}  # RFC 1870; otherwise our address is refused, for every receiver alike
AT_RECEIVER = {
    **dict.fromkeys((501, 555), INVALID_RECEIVER),
    **dict.fromkeys((521, 550, 551, 553, 556), UNKNOWN_RECEIVER),
    **dict.fromkeys((503, 504), ACCOUNT_REFUSED),  # no AUTH before, or no full name in EHLO
    552: FULL,
    554: POLICY,
}
AFTER_MAIL = dict.fromkeys((550, 551, 552, 553, 554, 556), REJECTED_TEXT)


class PolicyRefusal(SendError):
    """A refusal by a rule that may be about this mail or about us."""


def refusal(phase: Phase, code: int, text: bytes, *secrets: str) -> SendError:
    """Returns the error for a negative reply."""
    text = text[:MAX_WORDS]
    meaning = meaning_of(phase, code, text)
    name = "DATA" if phase == "dot" else phase.upper()
    words = shown(f"{name}: {code} {text.decode(errors='replace')}", *secrets)
    kind = PolicyRefusal if meaning.policy else SendError
    return kind(meaning.cause, words, about=meaning.about, permanent=meaning.permanent, bounce=meaning.bounce)


def meaning_of(phase: Phase, code: int, text: bytes) -> Meaning:
    """Returns what a reply means by login codes, then servers' fixed words, the enhanced code, and the reply code."""
    if code in LOGIN_WANTED:
        return ACCOUNT_REFUSED
    detail = enhanced_of(text)
    if phase in ("rcpt", "data", "dot") and (fixed := _as_servers_say(code, text, detail)):
        return fixed
    if code < 500:
        return _temporary(phase, code, detail)
    found = EITHER_CLASS.get(detail) or PERMANENT.get(detail) or PERMANENT.get(detail[0])
    return _in(found, phase) if found else _by_reply_code(phase, code)


def enhanced_of(text: bytes) -> Detail:
    """Returns (subject, detail) of the enhanced code, or (0, 0) where there is none."""
    found = ENHANCED.match(text) or ENHANCED_BEHIND.search(text)
    return (int(found[2]), int(found[3])) if found else (0, 0)


def _as_servers_say(code: int, text: bytes, detail: Detail) -> Meaning | None:
    if RELAY_DENIED.search(text):
        return ACCOUNT_REFUSED
    found = POSTFIX.match(text)
    if found is None or detail in EITHER_CLASS:
        return None
    if found[1] == b"Recipient address":
        return INVALID_RECEIVER if code == 504 else None
    return SENDER_REFUSED if found[1] == b"Sender address" else ACCOUNT_REFUSED


def _temporary(phase: Phase, code: int, detail: Detail) -> Meaning:
    if detail in EITHER_CLASS:
        return _in(EITHER_CLASS[detail], phase)
    if code == 421:  # the server ends the session: for this mail it is too much, or it ends altogether
        return ACCOUNT_THROTTLED if detail[0] == 7 or phase in ("connect", "ehlo") else PROVIDER_FAILED
    if code == 454 and phase not in ("auth", "starttls"):  # Amazon SES: its rate or its quota
        return ACCOUNT_THROTTLED
    return PROVIDER_FAILED if phase == "data" else _in(TEMPORARY.get(detail[0], OTHER_TEMPORARY), phase)


def _by_reply_code(phase: Phase, code: int) -> Meaning:
    match phase:
        case "connect" | "ehlo":
            return AT_CONNECT.get(code, ACCOUNT_REFUSED)
        case "starttls" | "auth":
            return ACCOUNT_REFUSED
        case "mail":
            return AT_MAIL.get(code, SENDER_REFUSED)
        case "rcpt" | "data":
            return AT_RECEIVER.get(code, PROVIDER_FAILED)
        case "dot":
            return AFTER_MAIL.get(code, PROVIDER_FAILED)


def _in(meanings: ByPhase, phase: Phase) -> Meaning:
    if phase == "dot":
        return meanings.mail
    if phase in ("rcpt", "data"):
        return meanings.receiver
    # Nothing can be about a text before MAIL has named its size.
    return ACCOUNT_REFUSED if meanings.session is REJECTED_TEXT and phase != "mail" else meanings.session
