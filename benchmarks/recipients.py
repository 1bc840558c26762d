"""What the rules about those who receive cost a sender: a drain in which they decide, and one that folds."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.cpu import in_words, medians
from benchmarks.drain import IN_FLIGHT, NOOP, check_ledger, drain_noop
from benchmarks.lines import Cost, Line, ratio_of, shown
from benchmarks.measure import Drained, Sender, median, pairs, publish
from harness.platform import Platform

PEOPLE = 200_000
SUPPRESSED = 20_000  # addresses, none of which anything goes to
NEWS = "news"
LEAST = 0.8  # of the drain without
MICROS, MICROS_CAPPED = 20, 36
MEMBERS = 20  # of a digest
MICROS_FOLDED = 150
# Somebody who has chosen two things and sleeps at night, where night has no end and no beginning that a run meets.
DOCUMENT = (
    '{"time_zone":"Europe/Berlin","quiet":["03:00:00","03:00:01"],'
    '"choices":{"EMAIL:offers":[false,"2026-01-01T00:00:00Z"],"SMS:":[false,"2026-01-01T00:00:00Z"]}}'
)


def chosen(bench: Bench) -> list[Line]:
    """Each notification goes to a person of their own, who has chosen something."""
    return _beside_plain(bench, "with preferences of everybody", MICROS)


def capped(bench: Bench) -> list[Line]:
    """The same, and the category has a limit that nobody reaches."""
    return _beside_plain(bench, "with preferences and a limit for each person", MICROS_CAPPED, "cap_count = 3")


class Folding(Sender):
    """A sender that sends nothing: what it has folded is done."""

    def settled(self) -> float:
        return self.metrics.sum("notifications_decided_total", rule="digest")


def folded(bench: Bench) -> list[Line]:
    """All of it goes into digests, none of which closes meanwhile; no two of a batch into the same."""
    count = bench.size(60_000)
    runs: list[Drained] = []

    def fold() -> float:
        runs.append(_fold(bench, count))
        return runs[-1].rate

    (rates,) = pairs(bench.times(3), fold)
    rate, cost = median(rates), medians([run.cost for run in runs])
    micros = sum(cost[part] for part in ("sender", "PostgreSQL"))
    return [
        Line(
            figure=f"folded into digests of {MEMBERS}",
            must=f"≤ {MICROS_FOLDED} µs for each",
            measured=f"{rate:,.0f}/s; {in_words(cost, 'sender', 'PostgreSQL')}",
            reached=micros <= MICROS_FOLDED,
            note="each in another digest than its neighbours, so a batch writes as many digests as it has rows",
            cost=Cost(path=f"folded into digests of {MEMBERS}", rate=rate, micros=cost),
        )
    ]


def _fold(bench: Bench, count: int) -> Drained:
    site = bench.services.fresh(**NOOP)
    _put_category(site, "digest_seconds = 86400")
    publish(site, "EMAIL", count, "--receivers", str(count // MEMBERS), "--category", NEWS)
    drained = Folding(site, "EMAIL", IN_FLIGHT).drained(count, beside=bench.services.pids)
    (row,) = site.sql("SELECT count(*) AS digests, sum(joined) AS members FROM notifications_digest")
    assert (row["digests"], row["members"]) == (count // MEMBERS, count), f"folded: {row}"
    bench.services.drop(site)
    return drained


def _beside_plain(bench: Bench, what: str, most: float, rules: str = "on_by_default = true") -> list[Line]:
    count = bench.size(60_000)
    with_rules: list[Drained] = []
    without: list[Drained] = []

    def plain() -> float:
        without.append(drain_noop(bench, count))
        return without[-1].rate

    def decided() -> float:
        with_rules.append(_drain(bench, count, rules))
        return with_rules[-1].rate

    ours, theirs = pairs(bench.times(3), decided, plain)
    rate, ratio = median(ours), ratio_of(ours, theirs)
    cost, bare = medians([run.cost for run in with_rules]), medians([run.cost for run in without])
    more = sum(cost[part] - bare[part] for part in ("sender", "PostgreSQL"))
    return [
        Line(
            figure=f"drain, no-op provider, {what}",
            must=f"≥ {LEAST} × without; ≤ {most} µs more for each",
            measured=f"{rate:,.0f}/s; {more:.0f} µs more; {in_words(cost, 'sender', 'PostgreSQL')}",
            baseline=f"{median(theirs):,.0f}/s without",
            ratio=shown(ratio),
            reached=ratio >= LEAST and more <= most,
            note=f"{PEOPLE:,} people with preferences, {SUPPRESSED:,} suppressed addresses",
            cost=Cost(path=f"drain, no-op provider, {what}", rate=rate, micros=cost),
        )
    ]


def _drain(bench: Bench, count: int, rules: str) -> Drained:
    site = bench.services.fresh(**NOOP)
    _fill(site, rules)
    publish(site, "EMAIL", count, "--people", "--category", NEWS)
    drained = Sender(site, "EMAIL", IN_FLIGHT).drained(count, beside=bench.services.pids)
    check_ledger(site, count)
    bench.services.drop(site)
    return drained


def _put_category(site: Platform, rules: str) -> None:
    site.sql(
        "INSERT INTO notifications_category (name, on_uncertain, sensitive, cap_seconds) VALUES"
        f" ('{NEWS}', 'resend', false, 3600)"
    )
    site.sql(f"UPDATE notifications_category SET {rules} WHERE name = '{NEWS}'")


def _fill(site: Platform, rules: str) -> None:
    _put_category(site, rules)
    site.sql(
        "INSERT INTO users_personpreferences (username, document, changed_at)"
        f" SELECT 'user-' || n, '{DOCUMENT}', now() - interval '1 day' FROM generate_series(0, {PEOPLE - 1}) AS n"
    )
    site.sql(
        "INSERT INTO users_suppression (address_hash, channel, scope, reason, score, evidence, provider, changed_at)"
        " SELECT md5(n::text), 'EMAIL', '', 'bounced', 0, '', '', now() - interval '1 day'"
        f" FROM generate_series(1, {SUPPRESSED}) AS n"
    )
    site.sql("ANALYZE users_personpreferences, users_suppression")
