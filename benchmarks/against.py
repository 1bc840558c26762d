"""`python -m benchmarks.against DIRECTORY [NAME …]`: the same load in turns on this code and on that of a checkout.

Two runs on one machine differ by more than most changes cost; in turns the difference shows. A process is fast or slow
by some per cent for as long as it lives, so each is started several times. Both codes work on databases with the
migrations of today, as in a rolling update.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.drain import drain_noop
from benchmarks.intake import BATCH, Posts, start_web
from benchmarks.lines import ratio_of
from benchmarks.measure import Drained, median, pairs
from benchmarks.providers import MANY, Drains
from benchmarks.services import Services
from harness.services.process import ROOT

STARTS, LOADS, SECONDS = 4, 6, "2"  # of each web process
DRAINS = 16


@dataclass
class Found:
    """What was measured of one code: notifications a second, and the µs of CPU of the web or sender for each."""

    rates: list[float] = field(default_factory=list)
    micros: list[float] = field(default_factory=list)

    def note(self, rate: float, micros: float) -> float:
        self.rates.append(rate)
        self.micros.append(micros)
        return rate

    def in_words(self) -> str:
        rates = f"{median(self.rates):,.0f}/s ({min(self.rates):,.0f} to {max(self.rates):,.0f})"
        return f"{rates}, {median(self.micros):.1f} µs"


def single(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    """POST /notification, 32 connections."""
    return _posts(bench.services, codes)


def batch(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    """POST /notifications of 500, 4 connections."""
    return _posts(bench.services, codes, "--batch", str(BATCH), "--connections", "4", each=BATCH)


def noop(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    """Drains by a no-op provider. The code of today has filled the topic, as it has for the others."""
    return _in_turns([partial(drain_noop, bench, 90_000, code=code) for code in codes])


def slack(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    return _in_turns([Drains(bench, "SLACK", MANY, 30_000, code).run for code in codes])


def sms(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    return _in_turns([Drains(bench, "SMS", MANY, 30_000, code).run for code in codes])


def email(bench: Bench, codes: Sequence[Path]) -> list[Found]:
    return _in_turns([Drains(bench, "EMAIL", MANY, 20_000, code).run for code in codes])


def _in_turns(drains: Sequence[Callable[[], Drained]]) -> list[Found]:
    found = [Found() for _ in drains]

    def take(drain: Callable[[], Drained], into: Found) -> float:
        drained = drain()
        return into.note(drained.rate, drained.cost["sender"])

    pairs(DRAINS, *(partial(take, *each) for each in zip(drains, found, strict=True)))
    return found


def _posts(services: Services, codes: Sequence[Path], *options: str, each: int = 1) -> list[Found]:
    found = [Found() for _ in codes]
    for _ in range(STARTS):
        posts = [_started(services, code, *options, each=each) for code in codes]
        for post in posts:
            post(Found())  # a process learns its ways
        pairs(LOADS, *(partial(post, into) for post, into in zip(posts, found, strict=True)))
        services.drop_all()
    return found


def _started(services: Services, code: Path, *options: str, each: int) -> Callable[[Found], float]:
    """Starts a web process of that code. Returns what puts a load on it."""
    site = services.fresh()
    site.code = code
    posts = Posts({"web": start_web(site).pid})
    options = ("--key", site.create_api_key("send"), "--seconds", SECONDS, *options)

    def post(into: Found) -> float:
        rate = posts.post(site, site.ports[0], *options, each=each)
        return into.note(rate, posts.costs[-1]["web"])

    return post


COMPARED = {each.__name__: each for each in (single, batch, noop, slack, sms, email)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="the other checkout")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(COMPARED)}; default: all")
    given = parser.parse_args()
    names = given.names or list(COMPARED)
    if unknown := set(names) - set(COMPARED):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with Services() as services:
        bench = Bench(services, services.directory)
        for name in names:
            that, this = COMPARED[name](bench, [given.directory.resolve(), ROOT])
            beside = f"rate {ratio_of(this.rates, that.rates):.3f}, CPU {ratio_of(this.micros, that.micros):.3f}"
            print(f"{name}: {this.in_words()}; that: {that.in_words()}; {beside} of it", flush=True)


if __name__ == "__main__":
    main()
