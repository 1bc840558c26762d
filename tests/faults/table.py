"""The table of faults in docs/reliability.md, from the run that just ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BEGIN = "<!-- faults: written by `make faults` -->"
END = "<!-- faults: end -->"
FAULTS = {
    1: "kill -9 a sender in the middle of a batch",
    2: "SIGTERM a sender with slow sends",
    3: "restart the broker",
    4: "broker down at intake",
    5: "broker and database down",
    6: "acknowledgement lost after the broker wrote",
    7: "restart the database in the middle of claims",
    8: "database down when the provider has answered",
    9: "provider accepts, the sender dies before it settles",
    10: "rebalance during long sends",
    11: "sender stopped (SIGSTOP) past its lease, then continued",
    12: "poison records in the topics",
    13: "a body of 10 MB",
    14: "the same id twice, in one batch and later",
    15: "the same idempotency key with another body",
    16: "a worker's clock is wrong by an hour",
    17: "two people replay one dead letter",
    18: "a storm of 429 with Retry-After",
    19: "the provider hangs for one receiver with 5 % of the traffic",
    20: "provider down, then back; and one receiver always answered 500",
    21: "scheduler killed between publishing and marking",
    22: "database read-only, disk full",
    23: "records deleted before they were read; a new group on a full topic",
    24: "all processes killed at once in the embedded default",
    25: "SMTP hangs for everyone",
    26: "database away for longer than a lease",
    27: "the answer to a claim's COMMIT is lost",
    28: "settle, renewal, sweep and claim at full load",
    29: "kill -9 a scheduler, and the database, in the middle of a prune",
    30: "the database stops in the middle of inserting idempotency keys",
    31: "the answer to the insert of a group of idempotency keys is lost",
    32: "kill -9 a web process between committing idempotency keys and publishing",
    33: "kill -9 a sender with 256 sends of a channel under way",
    34: "SIGTERM a sender with 256 sends of a channel under way",
    35: "the event loop of a channel dies",
    36: "kill -9 senders ten times in the middle of two runs over the same letters",
    37: "kill -9 a scheduler that gives letters their problem",
    38: "a rolling update of all parts, under load",
    39: "kill -9 one of two schedulers at each statement that closes a digest or ends its members",
    40: "kill -9 schedulers and senders while what is scheduled comes due",
}


@dataclass
class Row:
    """One fault; several tests may add to it."""

    messages: int = 0
    lost: int = 0
    duplicated: int = 0
    recovery: float | None = None
    outcomes: set[str] = field(default_factory=set)

    def add(self, messages: int, lost: int, duplicated: int, recovery: float | None) -> None:
        self.messages += messages
        self.lost += lost
        self.duplicated += duplicated
        if recovery is not None:
            self.recovery = max(self.recovery or 0.0, recovery)


def write(path: Path, rows: Mapping[int, Row]) -> None:
    """Replace what stands between the two marks; a fault that was not run has a line that says so."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text("\n".join((before + BEGIN, "", *_lines(rows), "", END)) + after)


def _lines(rows: Mapping[int, Row]) -> Iterable[str]:
    yield "| # | fault | messages | lost | duplicated | recovery | result |"
    yield "|---|---|---|---|---|---|---|"
    for number, title in FAULTS.items():
        row = rows.get(number, Row())
        recovery = "–" if row.recovery is None else f"{row.recovery:.1f} s"
        result = next((word for word in ("failed", "skipped", "passed") if word in row.outcomes), "not run")
        figures = f"{row.messages} | {row.lost} | {row.duplicated}" if row.messages else "– | – | –"
        yield f"| {number} | {title} | {figures} | {recovery} | {result} |"
