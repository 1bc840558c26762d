"""What goes wrong: programs, broker, database and providers, one after the other."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.fakes.fake import Behaviour, Fake
from harness.platform.providers import Providers
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.process import Process
from tests.faults.site import Site

PAUSED = ("EMAIL", "SLACK", "SMS", "provider:twilio", "category:careful", "client:main")
PROGRAMS = {"web": 2, "sender": 2, "scheduler": 2}
MOODS = (
    Behaviour(status=500, code=20500, reply="451 4.3.0 Try again later"),
    Behaviour(status=429, code="rate_limited", headers=(("Retry-After", "2"),), reply="450 4.7.1 Slow down"),
    Behaviour(hang=True),
    Behaviour(drop=True),
    Behaviour(delay=1.0),
)


class Chaos:
    """One fault after the other, each healed after a while.

    `blind` are the times in which senders stood still or had no database.
    """

    def __init__(self, site: Site, kafka: Kafka, postgres: Postgres, dice: random.Random) -> None:
        self._site = site
        self._kafka = kafka
        self._postgres = postgres
        self._dice = dice
        self._began = time.monotonic()
        self._running: dict[str, list[Process]] = {}
        self.count = 0
        self.blind: list[tuple[float, float]] = []

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
        with self._blind():
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
        with self._blind():
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

    @contextmanager
    def _blind(self) -> Iterator[None]:
        began = time.time()
        yield
        self.blind.append((began, time.time()))

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


def fakes(providers: Providers) -> tuple[Fake, ...]:
    return (providers.smtp, providers.slack, providers.twilio)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
