"""What the commands that pause and resume share: who does it, why, and for how long."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta

from notifications.channels import channel_names
from notifications.ledger.pauses.lasting import read_lasting
from notifications.ledger.pauses.verbs import LONGEST_REASON

WHAT = f"{', '.join(channel_names())}, provider:NAME, category:NAME or client:NAME"


def add_reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", type=reason, required=True, metavar="TEXT", help="why, for the record")


def add_lasting(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--for",
        dest="lasts",
        type=lasting,
        metavar="1h",
        help="it ends by itself then (default: when somebody ends it)",
    )


def reason(text: str) -> str:
    """Returns the reason. Raises ArgumentTypeError for none, and for one that is too long."""
    if not text.strip() or len(text) > LONGEST_REASON:
        raise ArgumentTypeError(f"must have 1 to {LONGEST_REASON:,} characters, not all of them blank.")
    return text.strip()


def lasting(text: str) -> timedelta:
    """Returns the time that a text such as "1h" says. Raises ArgumentTypeError."""
    try:
        return read_lasting(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
