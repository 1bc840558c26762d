"""Whether a bounce is for good: what providers pass on of the mail server's reply, and what they call it themselves."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.channels.email.bounces import kind_of_bounce
from notifications.channels.receipts import ReceiptType

HARD, SOFT, NEITHER = ReceiptType.BOUNCED, ReceiptType.SOFT_BOUNCED, ReceiptType.UNDELIVERED
PERMANENT = {"bounce": {"bounceType": "Permanent", "bounceSubType": "General"}}
TRANSIENT = {"bounce": {"bounceType": "Transient", "bounceSubType": "General"}}
LOOP: dict[str, Any] = {"type": "x"}
LOOP["self"] = LOOP


@pytest.mark.parametrize(
    ("reply", "event", "kind"),
    [
        ("smtp; 550 5.1.1 <ann@example.com>: Recipient address rejected: no such user", TRANSIENT, HARD),
        ("550 5.1.1 no such user", {}, HARD),
        ("5.1.2 (bad destination system)", {}, HARD),
        ("smtp;550-5.1.1 The email account that you tried to reach does not exist", {}, HARD),
        ("552 5.2.2 mailbox full", PERMANENT, SOFT),
        ("452 4.2.2 over quota", PERMANENT, SOFT),
        ("4.4.7 delivery time expired", {}, SOFT),
        ("550 5.7.1 blocked by policy", PERMANENT, NEITHER),
        ("550 5.7.26 not authenticated", PERMANENT, NEITHER),
        ("550 5.1.0 address rejected", PERMANENT, HARD),
        ("550 5.1.0 address rejected", TRANSIENT, SOFT),
        ("550 5.0.0 no", PERMANENT, HARD),
        ("550 rejected as spam", {}, SOFT),
        ("connected to 192.0.2.5.1.1", {}, SOFT),
        ("", PERMANENT, HARD),
        ("", TRANSIENT, SOFT),
        ("", {"Type": "HardBounce"}, HARD),
        ("", {"event": "soft_bounce"}, SOFT),
        ("", {"event": "invalid_email"}, HARD),
        ("", {"event": "bounce", "hard_bounce": True}, HARD),
        ("", {"event": "bounce", "hard_bounce": False}, SOFT),
        ("", {"event-data": {"severity": "permanent"}}, HARD),
        ("", {"data": {"bounce": {"type": "Permanent"}}}, HARD),
        ("", {"subject": "your permanent address is invalid"}, SOFT),
        ("", None, SOFT),
        ("", [{"type": "hard"}], SOFT),
        ("5" * 1_000_000, LOOP, SOFT),
    ],
)
def test_kind_of_bounce(reply: str, event: Any, kind: ReceiptType) -> None:
    assert kind_of_bounce(reply, event) is kind
