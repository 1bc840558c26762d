"""`make soak MINUTES=10`: a steady mix while everything is killed, stopped and restarted at random; then the books.

Exits 1, saying why, where something is lost, a duplicate is not marked, or somebody gets what they do not want. The
seed that is printed repeats the choices; when they fall on what is a matter of the machine.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from harness.platform.providers import open_providers
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.waiting import wait_until
from tests.faults.site import Site, open_site
from tests.faults.soak.books import Books
from tests.faults.soak.chaos import Chaos, fakes, say
from tests.faults.soak.outside import Outside
from tests.faults.soak.people import CAP, CAP_SECONDS, CAPPED, People
from tests.faults.soak.traffic import Traffic
from tests.notifications.callbacks import PUBLIC_URL

DRAIN = 300.0  # seconds for what is left when the faults are over
DIGEST_SECONDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    say(f"seed {given.seed}, {given.minutes:g} minutes")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ntf-soak-")))
        postgres, kafka = stack.enter_context(Postgres()), stack.enter_context(Kafka())
        providers = stack.enter_context(open_providers())
        site = stack.enter_context(
            open_site(directory, providers, lambda *_: None, postgres_port=postgres.port, kafka_servers=kafka.servers)
        )
        soak(site, kafka, postgres, minutes=given.minutes, seed=given.seed)


def soak(site: Site, kafka: Kafka, postgres: Postgres, *, minutes: float, seed: int) -> None:
    """AssertionError or SystemExit where it does not balance in the end."""
    site.platform.environment |= {"RETRY_SCHEDULE": "1,1,2,4,8", "PUBLIC_URL": PUBLIC_URL}
    site.hold("careful")
    site.add_category("offers")
    site.digest("news", DIGEST_SECONDS)
    site.cap(CAPPED, CAP, CAP_SECONDS)
    for fake in fakes(site.providers):
        fake.answer(delay=0.02)
    chaos = Chaos(site, kafka, postgres, random.Random(seed))
    people = People(site, random.Random(seed + 2))
    traffic = Traffic(site, people, random.Random(seed + 1))
    outside = Outside(site, people, random.Random(seed + 3))
    chaos.start_all()
    people.register()
    traffic.start()
    outside.start()
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        chaos.strike()
        assert traffic.is_alive(), "the traffic stopped"
        assert outside.is_alive(), "people and providers stopped"
    chaos.kill_everything()
    traffic.stop()
    outside.stop()
    began = time.monotonic()
    wait_until(lambda: is_drained(site), deadline=DRAIN, what="everything has reached its end")
    drained = time.monotonic() - began
    site.platform.stop_all()
    balance(site, chaos, traffic, outside)
    say(f"drained in {drained:.0f} s")


def balance(site: Site, chaos: Chaos, traffic: Traffic, outside: Outside) -> None:
    """AssertionError where the books are not exact; else says what is in them."""
    result = site.balance(duplicates=sys.maxsize, maybe=traffic.perhaps)
    traffic.cancels.check()
    receipts = outside.receipts
    receipts.check()
    books = Books(site, traffic.addressed, outside.people.wishes, chaos.blind)
    books.check()
    say(f"{chaos.count} faults; {result.messages} accepted, {traffic.refused} batches refused with 503")
    say(f"{len(traffic.cancels.done)} cancelled, {traffic.cancels.too_late} too late")
    say("ledger: " + _counts(site, "status"))
    say("suppressed: " + _counts(site, "reason", where="status = 'suppressed'"))
    capped, last = books.capped()
    say(f"{books.waited()} waited for the end of quiet hours; {capped} had a cap, {last} took its last place")
    say(f"{len(receipts.taken)} receipts, {receipts.repeated} repeated, {receipts.forged} forged")
    say(f"lost {result.lost}, duplicated {result.duplicated} (each marked uncertain)")


def _counts(site: Site, column: str, where: str = "true") -> str:
    rows = site.platform.sql(f"SELECT {column} AS word FROM notifications_notification WHERE {where}")
    return ", ".join(f"{word} {count}" for word, count in sorted(Counter(row["word"] for row in rows).items()))


def is_drained(site: Site) -> bool:
    """Everything accepted is in the ledger, and nothing there is on its way.

    What is listed in a digest that has stopped waits for a person, as the digest does.
    """
    stopped = "SELECT n.digest_id FROM notifications_notification AS n WHERE n.status IN ('dead', 'held')"
    under_way = f"status IN ('accepted', 'queued', 'sending', 'waiting') AND coalesce(digest_id, 0) NOT IN ({stopped}"
    return not site.ids(f"{under_way} AND n.digest_id IS NOT NULL)") and not set(site.accepted) - site.ids("true")


if __name__ == "__main__":
    main()
