"""What the demo's clients write, by category."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of notification that a client sends. `weight` is how often, beside the others."""

    client: str
    category: str
    channel: str
    weight: int
    subject: str
    message: str
    bulk: bool = False
    minutes: int = 0  # it expires after so many; 0: never


PASSWORD = Kind(
    *("shop", "password-reset", "EMAIL", 5, "Reset your password"),
    "Somebody asked for a new password. If it was you: https://shop.example.com/reset/{number}. The link works for "
    "half an hour.",
    minutes=30,
)
INVOICE = Kind(
    "shop", "invoice", "EMAIL", 10, "Your invoice {number}", "Thank you for your order {number}. The invoice:"
)
PAYMENT = Kind("shop", "payment", "EMAIL", 2, "Payment received", "We have received your payment for order {number}.")
NEWS = Kind(
    *("shop", "newsletter", "EMAIL", 12, "Autumn sale: up to 40 % off"),
    "Only this week. Choose among 2,000 offers at https://shop.example.com/sale.",
    bulk=True,
)
PARCEL = Kind("shop", "delivery", "SMS", 8, "", "Your parcel {number} arrives today between 14:00 and 16:00.")
CODE = Kind("shop", "login-code", "SMS", 6, "", "Your code is {number}. It works for five minutes.", minutes=5)
BUILD = Kind("ci", "build", "SLACK", 14, "", "Build {number} of main failed: 3 of 812 tests.")
REVIEW = Kind("ci", "review", "SLACK", 8, "", "{number}: your review is asked for.")
REPLY = Kind("forum", "reply", "EMAIL", 9, "New reply to your topic", "There are new replies to your topic {number}.")

KINDS = (PASSWORD, INVOICE, PAYMENT, NEWS, PARCEL, CODE, BUILD, REVIEW, REPLY)
