"""Whether a bounce is for good: by the reply of the receiver's mail server, else by the provider's own words.

A code that says something of the address, or of us, comes first: Amazon calls a bounce with 5.1.1 "Transient" at times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from notifications.channels.meanings import Meaning
from notifications.channels.outcomes import About
from notifications.channels.receipts import ReceiptType, type_of
from notifications.channels.transport.smtp.replies import enhanced_of, meaning_of

LOOKED_AT = 1_000  # characters of a reply
MOST_FIELDS = 200  # of an event
DEEPEST = 4
ENHANCED = re.compile(r"(?<![\d.])([45])\.\d{1,3}\.\d{1,3}(?![\d.])")
REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
OF_THE_PROTOCOL = (0, 5)  # subjects of codes that say nothing of the receiver

# Where providers say what kind of bounce it is, whatever the place in their event.
KINDS = frozenset({"type", "event", "status", "severity", "bouncetype", "hard_bounce", "suppressionreason"})
HARD = re.compile(r"hard|permanent|invalid|bademailaddress")


def kind_of_bounce(reply: str, event: Any) -> ReceiptType:
    """Returns what a bounce says of the receiver. It may pass where nothing says otherwise.

    `reply` is the mail server's, as far as the provider passes it on; `event` is the provider's own.
    """
    meaning = _meaning(reply[:LOOKED_AT])
    if meaning and (meaning.bounce or meaning.policy or meaning.about is not About.RECEIVER):
        return type_of(meaning.bounce)
    words = " ".join(islice(_kinds(event), MOST_FIELDS)).lower()
    return ReceiptType.BOUNCED if HARD.search(words) else ReceiptType.SOFT_BOUNCED


def _meaning(reply: str) -> Meaning | None:
    """Returns what a reply means by its enhanced code; None where that says nothing of the receiver."""
    code = ENHANCED.search(reply)
    if code is None or enhanced_of(code[0].encode())[0] in OF_THE_PROTOCOL:
        return None
    number = REPLY.search(reply[: code.start()])
    without_number = 550 if code[1] == "5" else 450
    text = reply[code.start() :].encode(errors="replace")
    return meaning_of("rcpt", int(number[1]) if number else without_number, text)


def _kinds(event: Any, depth: int = 0) -> Iterator[str]:
    """Yields what the event has under the names of KINDS; of a field that is true, its name."""
    if depth > DEEPEST:
        return
    for name, value in event.items() if isinstance(event, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _kinds(value, depth + 1)
        elif str(name).lower() in KINDS and value:
            yield str(name) if value is True else str(value)[:100]
