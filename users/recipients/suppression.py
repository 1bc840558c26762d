"""To which addresses nothing is sent, and why: what a bounce, a complaint, a STOP or one of the staff writes and lifts.

Nothing here is asked at a send: `facts` reads the rows. Each row is of an address' hash, so that it may outlive what
is known of the address' owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from notifications.channels.redaction import shown
from notifications.messages.ids import receiver_hash, receiver_hashes
from notifications.messages.words import SuppressedFor
from project.database.dialects import Dialect, Statement, as_json
from users.recipients.models import Suppression

SOFT = 1.0  # points of a bounce that may pass: a full mailbox, a server that does not take it now
MOST = 3.0  # points that an address may have; with more, nothing is sent for LASTS
FADES = 10 * 86_400.0  # seconds in which an address loses a point
LASTS = 30 * 86_400.0  # seconds in which MOST have faded
LONGEST_PROVIDER = 64
# The reasons for which an address can be suppressed. The others are of what its person chose, or of a category.
OF_OTHERS = {SuppressedFor.CHOICE, SuppressedFor.NOT_CHOSEN, SuppressedFor.CAP}
OF_ADDRESSES = tuple(why for why in SuppressedFor if why not in OF_OTHERS)
REASONS = [(why.value, why.value) for why in OF_ADDRESSES]  # as choices of a field


class Address(NamedTuple):
    """An address as a suppression keeps it. The receiver itself, where it is known, is only hidden in evidence."""

    channel: str
    hash: str
    receiver: str = ""


class New(NamedTuple):
    """A suppression to write. With `points` it is in force only once the address has more than MOST."""

    address: Address
    reason: SuppressedFor
    scope: str = ""  # a category; "" is all
    points: float = 0.0
    evidence: str = ""  # a provider's words
    provider: str = ""


def address_of(channel: str, receiver: str) -> Address:
    """Returns the address under today's key. `receiver` is a valid one, in any spelling."""
    return Address(channel, receiver_hash(channel, receiver), receiver)


def hashes_of(channel: str, receiver: str) -> list[str]:
    """Returns those under which the address may be suppressed: that of today's key, and those of former ones.

    1.0, whose hashes come last, knew no suppressions.
    """
    return receiver_hashes(channel, receiver)[:-1]


def suppress(
    address: Address, reason: SuppressedFor, *, scope: str = "", evidence: str = "", provider: str = ""
) -> bool:
    """Has nothing sent to the address from now on, or nothing of the category `scope`, until somebody lifts it.

    Returns False where that was so already: nothing is changed then.
    """
    return bool(suppress_all([New(address, reason, scope, 0.0, evidence, provider)]))


def score(address: Address, points: float = SOFT, *, evidence: str = "", provider: str = "") -> bool:
    """Counts a bounce that may pass. An address with more than MOST points gets nothing for LASTS seconds.

    Returns whether it gets nothing now.
    """
    new = New(address, SuppressedFor.BOUNCED, "", points, evidence, provider)
    suppress_all([new])
    rows = Suppression.objects.in_force().filter(address_hash=address.hash, reason=new.reason, scope=new.scope)
    return rows.exists()


def suppress_all(found: Iterable[New]) -> set[str]:
    """Writes all of them with one statement. Returns the hashes of the addresses of which something was written.

    Two for one address, scope and reason become one: their points are added, and one without points wins.
    """
    merged: dict[tuple[str, str, str], New] = {}
    for new in found:
        key = (new.address.hash, new.scope, new.reason.value)
        before = merged.get(key)
        merged[key] = new if before is None else new._replace(points=_together(before.points, new.points))
    if not merged:
        return set()
    rows = [
        _row(merged[key]) for key in sorted(merged)
    ]  # in one order, so that two that write the same do not deadlock
    written = write_suppressions(rows=as_json(rows), most=MOST, fades=FADES, lasts=LASTS)
    return {hash for (hash,) in written}


def _together(points: float, more: float) -> float:
    return points + more if points and more else 0.0


def _row(new: New) -> dict[str, object]:
    (channel, hash, receiver), reason, scope, points, evidence, provider = new
    about = {"evidence": shown(evidence, receiver), "provider": provider[:LONGEST_PROVIDER]}
    return {"address_hash": hash, "channel": channel, "scope": scope, "reason": reason, "points": points, **about}


def lift(hashes: Collection[str], reason: SuppressedFor, *, scope: str = "") -> int:
    """Removes the suppressions of an address for this reason and scope. Returns how many rows there were.

    `hashes` are those of `hashes_of`, or that of a row. What was suppressed meanwhile stays unsent.
    """
    rows = Suppression.objects.filter(address_hash__in=hashes, reason=reason, scope=scope)
    return rows.delete()[0]


@Statement
def write_suppressions(d: Dialect) -> str:
    """One row for each address, scope and reason. One without points stands as it is, whatever comes after it."""
    texts = dict.fromkeys(("address_hash", "channel", "scope", "reason", "evidence", "provider"), "text")
    faded = f"n.score + {d.seconds_until('n.changed_at')} / %(fades)s"
    score = f"excluded.score + CASE WHEN excluded.score > 0 AND {faded} > 0 THEN {faded} ELSE 0 END"

    def until(points: str, is_soft: str) -> str:
        lasts = d.later("%(lasts)s")
        return f"CASE WHEN {is_soft} THEN CASE WHEN {points} > %(most)s THEN {lasts} ELSE {d.now} END END"

    return f"""
        INSERT INTO users_suppression AS n ({", ".join(texts)}, score, since, changed_at, until)
        SELECT {", ".join(f"r.{name}" for name in texts)}, r.points, {d.now}, {d.now},
            {until("r.points", "r.points > 0")}
        FROM {d.rows(texts | {"points": "float8"})} WHERE true
        ON CONFLICT (address_hash, scope, reason) DO UPDATE SET
            score = {score}, until = {until(score, "excluded.score > 0")},
            since = CASE WHEN n.until > {d.now} THEN n.since ELSE {d.now} END,
            evidence = excluded.evidence, provider = excluded.provider, changed_at = excluded.changed_at
        WHERE n.until IS NOT NULL
        {d.returning("address_hash")}"""
