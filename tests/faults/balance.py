"""The books: what was accepted against the ledger, and the ledger against what the providers took."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from harness.platform import Platform

KNOWN = {
    *("accepted", "queued", "sending", "waiting", "sent", "dead", "held", "expired"),
    *("cancelled", "suppressed", "digested"),
}
UNSENT = {"suppressed", "expired", "digested"}  # what is taken of these nonetheless had an unknown outcome
ROWS = "SELECT id, message, status, uncertain_count, digest_id FROM notifications_notification"
MORE = re.compile(r"and (\d+) more")
DIGESTS = "SELECT id, notification_id FROM notifications_digest WHERE notification_id IS NOT NULL"


@dataclass(frozen=True)
class Result:
    messages: int
    lost: int
    duplicated: int


def balance(
    platform: Platform, accepted: Mapping[str, str], took: Counter[str], *, duplicates: int, maybe: int = 0
) -> Result:
    """AssertionError, naming what is off, where something accepted is missing or sent twice without a mark.

    `accepted` maps ids to texts, each notification with its own; `took` counts the texts at the providers. At
    most `duplicates` copies too many are allowed, each on a row that the ledger marks as uncertain; and at most
    `maybe` rows that nobody was promised.
    """
    ledger = {str(UUID(str(row["id"]))): row for row in platform.sql(ROWS)}
    digests = {row["id"]: str(UUID(str(row["notification_id"]))) for row in platform.sql(DIGESTS)}
    missing = [f"{id} ({text})" for id, text in accepted.items() if id not in ledger]
    missing += [
        f"{id} is {row['status']}" for id, row in ledger.items() if row["status"] == "sent" and not took[row["message"]]
    ]
    missing += [f"{id} is in no digest" for id in _not_listed(ledger, digests)]
    assert not missing, f"lost: {missing}"

    # What is cancelled had no unknown outcome, so it was handed over never.
    anyway = [id for id, row in ledger.items() if row["status"] == "cancelled" and took[accepted.get(id, "")]]
    assert not anyway, f"cancelled, yet sent: {anyway}"

    unknown = {row["status"] for row in ledger.values()} - KNOWN
    assert not unknown, f"states nobody knows: {unknown}"
    unpromised = set(ledger) - set(accepted) - set(digests.values())  # nobody asked for these, but for their members
    assert len(unpromised) <= maybe, f"in the ledger, yet never accepted: {unpromised}"
    strangers = set(took) - {row["message"] for row in ledger.values()}
    assert not strangers, f"taken by a provider, yet unknown to the ledger: {strangers}"

    copies = {id: took[row["message"]] - (row["status"] not in UNSENT) for id, row in ledger.items()}
    copies = {id: extra for id, extra in copies.items() if extra > 0}
    unmarked = [f"{id}: {ledger[id]}" for id, extra in copies.items() if extra > ledger[id]["uncertain_count"]]
    assert not unmarked, f"sent more often than the ledger knows: {unmarked}"
    assert sum(copies.values()) <= duplicates, f"{sum(copies.values())} duplicates, at most {duplicates} may be"
    return Result(messages=len(accepted), lost=0, duplicated=sum(copies.values()))


def _not_listed(ledger: Mapping[str, Mapping[str, Any]], digests: Mapping[int, str]) -> Iterator[str]:
    """Yields what is not in exactly one digest that was sent, once: a digest says how many it does not list."""
    members = Counter(row["digest_id"] for row in ledger.values() if row["status"] == "digested")
    listed: Counter[str] = Counter()
    for digest, id in digests.items():
        if ledger[id]["status"] == "sent":
            lines = ledger[id]["message"].splitlines()
            more = MORE.fullmatch(lines[-1])
            texts = [line.removeprefix("- ") for line in (lines[:-1] if more else lines)]
            listed.update(texts)
            if len(texts) + int(more[1] if more else 0) != members[digest]:
                yield f"digest {id}"
    for id, row in ledger.items():
        if listed[row["message"]] > 1 or (listed[row["message"]] and row["status"] != "digested"):
            yield id
