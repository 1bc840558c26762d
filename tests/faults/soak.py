"""`make soak MINUTES=10`: a steady mix while everything is killed, stopped and restarted at random; then the books.

Exits 1, saying why, where something is lost or a duplicate is not marked. The seed that is printed repeats the
choices; when they fall on what is a matter of the machine.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path

from harness.fakes.fake import Behaviour, Fake
from harness.platform.providers import Providers, open_providers
from harness.platform.web import Answer
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import Site, open_site

BATCH = 12  # notifications in a batch
EVERY = 0.25  # seconds between two batches
DRAIN = 300.0  # seconds for what is left when the faults are over
HELD_SHARE = 0.2  # of the batches, in a category in which a person decides about unknown outcomes
LATER_SHARE = 0.2  # of the batches, scheduled for up to LONGEST_LATER seconds ahead
LONGEST_LATER = 20.0
CANCELLED_SHARE = 0.2  # of the batches: one of its notifications, at once or some batches later
STRANGERS_SHARE = 0.05  # of the batches: a client to whom it does not belong cancels one
DIGESTED_SHARE = 0.2  # of the batches, in a category that is digested, to one of a few receivers
DIGEST_SECONDS = 3
DIGEST_RECEIVERS = 5
PAUSED = ("EMAIL", "SLACK", "SMS", "provider:twilio", "category:careful", "client:main")
PROGRAMS = {"web": 2, "sender": 2, "scheduler": 2}
MOODS = (
    Behaviour(status=500, code=20500, reply="451 4.3.0 Try again later"),
    Behaviour(status=429, code="rate_limited", headers=(("Retry-After", "2"),), reply="450 4.7.1 Slow down"),
    Behaviour(hang=True),
    Behaviour(drop=True),
    Behaviour(delay=1.0),
)


class Traffic(threading.Thread):
    """Posts batches through any web; what was answered 202 is the site's, what got no answer is only perhaps there."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self.site = site
        self.cancels = Cancels(site, dice)
        self.perhaps = 0
        self.refused = 0
        self._dice = dice
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(EVERY):
            ports = list(self.site.platform.ports)
            if not ports:
                continue
            fields = {"priority": self._dice.choice(("transactional", "bulk"))}
            if self._dice.random() < LATER_SHARE:
                ahead = timedelta(seconds=self._dice.uniform(0.5, LONGEST_LATER))
                fields["send_at"] = (datetime.now(UTC) + ahead).isoformat()
            items = self._items(fields)
            self._note(self._post(items, self._dice.choice(ports)), items)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def _items(self, fields: dict[str, str]) -> list[dict[str, str]]:
        share = self._dice.random()
        if share < HELD_SHARE:
            return self.site.items(BATCH, **fields, category="careful")
        if share < HELD_SHARE + DIGESTED_SHARE:
            receiver = f"digests{self._dice.randrange(DIGEST_RECEIVERS)}@example.com"
            return self.site.items(BATCH, "EMAIL", **fields, category="news", receiver=receiver)
        return self.site.items(BATCH, **fields)

    def _post(self, items: list[dict[str, str]], port: int) -> Answer | None:
        try:
            return self.site.platform.post({"notifications": items}, "/notifications", port=port)
        except (OSError, HTTPException):
            return None

    def _note(self, answer: Answer | None, items: list[dict[str, str]]) -> None:
        if answer is not None and answer.status == 202:
            ids = [entry["id"] for entry in answer.json()["notifications"]]
            self.site.accepted |= {id: item["message"] for id, item in zip(ids, items, strict=True)}
            self.cancels.some_of(ids)
            return
        if answer is not None and answer.status != 503:
            sys.exit(f"intake answered {answer.status}: {answer.body!r}")
        self.perhaps += len(items)
        self.refused += answer is not None


class Cancels:
    """Cancels some of what was accepted, and remembers what was answered."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.done: set[str] = set()  # 200
        self.perhaps: set[str] = set()  # no answer, or 503
        self.too_late = 0
        self._site = site
        self._dice = dice
        self._stranger = site.platform.create_api_key("send", client="stranger")
        self._waiting: list[str] = []

    def some_of(self, ids: list[str]) -> None:
        if self._dice.random() < CANCELLED_SHARE:
            self._waiting.append(self._dice.choice(ids))
        if self._waiting and self._dice.random() < 0.5:
            self._cancel(self._waiting.pop(0))
        if self._dice.random() < STRANGERS_SHARE:
            self._delete(self._dice.choice(ids), {"Authorization": f"Bearer {self._stranger}"})

    def check(self) -> None:
        """AssertionError where a promise was broken. That none of them was sent, the balance looks."""
        cancelled = self._site.ids("status = 'cancelled'")
        assert self.done <= cancelled, f"answered as cancelled, and are not: {self.done - cancelled}"
        assert cancelled <= self.done | self.perhaps, f"nobody cancelled these: {cancelled - self.done - self.perhaps}"
        assert not self._site.ids("client = 'stranger'"), "a stranger's stub stands where a record has come"

    def _cancel(self, id: str) -> None:
        answer = self._delete(id, {})
        if answer is None or answer.status == 503:
            self.perhaps.add(id)
        elif answer.status == 200:
            self.done.add(id)
        elif answer.status == 409:
            self.too_late += 1
        else:
            sys.exit(f"a DELETE was answered {answer.status}: {answer.body!r}")

    def _delete(self, id: str, headers: dict[str, str]) -> Answer | None:
        ports = list(self._site.platform.ports)
        try:
            port = self._dice.choice(ports) if ports else 0
            return self._site.platform.request("DELETE", f"/notification/{id}", headers=headers, port=port)
        except (OSError, HTTPException, IndexError):
            return None


class Chaos:
    """One fault after the other, each healed after a while."""

    def __init__(self, site: Site, kafka: Kafka, postgres: Postgres, dice: random.Random) -> None:
        self._site = site
        self._kafka = kafka
        self._postgres = postgres
        self._dice = dice
        self._began = time.monotonic()
        self._running: dict[str, list[Process]] = {}
        self.count = 0

    def start_all(self) -> None:
        for program, count in PROGRAMS.items():
            self._running[program] = [self._start(program) for _ in range(count)]

    def strike(self) -> None:
        """One fault, from beginning to end."""
        faults: tuple[Callable[[], None], ...] = (
            self._kill,
            self._kill,
            self._end,
            self._freeze,
            self._take_broker,
            self._take_database,
            self._mood,
            self._mood,
            self._mood,
            self._pause_by_hand,
        )
        self.count += 1
        self._dice.choice(faults)()

    def kill_everything(self) -> None:
        self._say("kill -9 all senders, schedulers and webs")
        for program, processes in self._running.items():
            for process in processes:
                process.kill()
            self._running[program] = []
        self._site.platform.ports.clear()
        self.start_all()

    def _kill(self) -> None:
        program, place = self._pick()
        self._say(f"kill -9 a {program}")
        self._running[program][place].kill()
        self._pause(3.0)
        self._replace(program, place)

    def _end(self) -> None:
        program, place = self._pick()
        self._say(f"SIGTERM a {program}")
        process = self._running[program][place]
        code = process.stop(60)
        if code and process.output:  # before it says anything it ends as any program does
            sys.exit(f"a {program} ended with {code}:\n{process.output[-4000:]}")
        self._replace(program, place)

    def _freeze(self) -> None:
        program, place = self._pick()
        seconds = self._dice.uniform(1.0, 12.0)  # often longer than a lease
        self._say(f"SIGSTOP a {program} for {seconds:.0f} s")
        self._running[program][place].pause()
        time.sleep(seconds)
        self._running[program][place].resume()

    def _take_broker(self) -> None:
        self._say("kill -9 the broker")
        self._kafka.kill()
        self._pause(8.0)
        self._kafka.start()

    def _take_database(self) -> None:
        immediate = self._dice.random() < 0.5
        self._say("crash the database" if immediate else "stop the database")
        self._postgres.stop(immediate=immediate)
        self._pause(8.0)
        self._postgres.start()

    def _pause_by_hand(self) -> None:
        """Half of them end by themselves, the others by a hand."""
        what = self._dice.choice(PAUSED)
        resumes = self._dice.random() < 0.5
        self._say(f"pause {what}")
        self._site.platform.manage("pause", what, "--for", "1h" if resumes else "8s", "--reason", "soak")
        self._pause(8.0)
        if resumes:
            self._say(f"resume {what}")
            self._site.platform.manage("resume", what, "--reason", "soak")

    def _mood(self) -> None:
        fake: Fake = self._dice.choice(fakes(self._site.providers))
        mood = self._dice.choice(MOODS)
        words = "hang" if mood.hang else "drop" if mood.drop else "delay" if mood.delay else f"answer {mood.status}"
        self._say(f"{type(fake).__name__}: {words}")
        fake.answer("*", mood)
        self._pause(4.0)
        fake.mend()

    def _pick(self) -> tuple[str, int]:
        program = self._dice.choice(("sender", "sender", "scheduler", "web"))
        return program, self._dice.randrange(PROGRAMS[program])

    def _replace(self, program: str, place: int) -> None:
        if program == "web":
            self._site.platform.ports.pop(place)
        self._running[program][place : place + 1] = []
        self._running[program].append(self._start(program))

    def _start(self, program: str) -> Process:
        platform = self._site.platform
        if program == "web":
            return platform.start_web()
        return platform.start_sender("--no-scheduler") if program == "sender" else platform.start_scheduler()

    def _pause(self, longest: float) -> None:
        time.sleep(self._dice.uniform(0.2, longest))

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self._began:6.1f} s  {text}")


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
    site.platform.environment["RETRY_SCHEDULE"] = "1,1,2,4,8"
    site.hold("careful")
    site.digest("news", DIGEST_SECONDS)
    for fake in fakes(site.providers):
        fake.answer(delay=0.02)
    chaos = Chaos(site, kafka, postgres, random.Random(seed))
    traffic = Traffic(site, random.Random(seed + 1))
    chaos.start_all()
    traffic.start()
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        chaos.strike()
        assert traffic.is_alive(), "the traffic stopped"
    chaos.kill_everything()
    traffic.stop()
    began = time.monotonic()
    wait_until(lambda: is_drained(site), deadline=DRAIN, what="everything has reached its end")
    drained = time.monotonic() - began
    site.platform.stop_all()
    statuses = site.platform.statuses()
    traffic.cancels.check()
    result = site.balance(duplicates=sys.maxsize, maybe=traffic.perhaps)
    say(f"{chaos.count} faults; {result.messages} accepted, {traffic.refused} batches refused with 503")
    say(f"{len(traffic.cancels.done)} cancelled, {traffic.cancels.too_late} too late")
    say(f"ledger: {', '.join(f'{status} {count}' for status, count in sorted(statuses.items()))}")
    say(f"lost {result.lost}, duplicated {result.duplicated} (each marked uncertain), drained in {drained:.0f} s")


def is_drained(site: Site) -> bool:
    """Everything accepted is in the ledger, and nothing there is on its way.

    What is listed in a digest that has stopped waits for a person, as the digest does.
    """
    stopped = "SELECT n.digest_id FROM notifications_notification AS n WHERE n.status IN ('dead', 'held')"
    under_way = f"status IN ('accepted', 'queued', 'sending', 'waiting') AND coalesce(digest_id, 0) NOT IN ({stopped}"
    return not site.ids(f"{under_way} AND n.digest_id IS NOT NULL)") and not set(site.accepted) - site.ids("true")


def fakes(providers: Providers) -> tuple[Fake, ...]:
    return (providers.smtp, providers.slack, providers.twilio)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
