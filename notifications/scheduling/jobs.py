"""Runs long work beside the scheduler's round: jobs, each a row with a cursor, in steps of one small transaction.

Any number of runners share the jobs. A runner leases a job for a single step; the step's transaction does the work
and moves the cursor, or does neither. A runner that dies in the middle leaves a lease that passes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction

from notifications.models import Job
from notifications.scheduling import job_rows
from notifications.scheduling.job_rows import LeaseLost, State, Step
from project.database import refusals
from project.database.dialects import repeated, turn_to_write

logger = logging.getLogger(__name__)

IDLE = 1.0  # seconds between two looks that found no step due
PERIODS_EVERY = 60.0  # seconds between two looks for what begins by itself
PAUSES = (5.0, 30.0, 120.0, 600.0)  # seconds before a step that failed is tried again
LONGEST_PAUSE = 5.0  # seconds, while the database is away
STOP_SECONDS = 5.0  # for the step under way, when stopping; what it has not committed is done again


class Kind(Protocol):
    """What the jobs of one kind do."""

    every: timedelta | None  # one begins by itself in each such period

    def total(self, job: Job) -> int | None:
        """Returns how many items the job has, for its progress; None where nobody can say. It is asked once."""

    def step(self, job: Job, cursor: Any) -> Step:
        """Does the next part, from `cursor` on (None at the beginning). Returns where the next step begins.

        It runs in a transaction that also moves the cursor, so it must be small, and change nothing but the database.
        """


class Runner:
    """Works on jobs until `stop`. `kinds` are all that it knows, by name; `only` names the one job it works on.

    No step begins while `may_work` says no.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        *,
        only: int | None = None,
        pauses: Sequence[float] = PAUSES,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        self._kinds = kinds
        self._may_work = may_work
        self._only = only
        self._pauses = pauses
        self._owner = f"runner-{os.urandom(10).hex()}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._problem: BaseException | None = None

    @property
    def kinds(self) -> list[str]:
        return list(self._kinds)

    def start(self) -> None:
        """Runs in a thread of its own, with a database connection of its own. Does nothing where it runs already."""
        if not self._thread.ident:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the step under way, for which it waits a few seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def check(self) -> None:
        """Raises what ended the thread, if anything did: its owner must not go on as if jobs were worked on."""
        if self._problem is not None:
            raise RuntimeError("the runner of jobs failed") from self._problem

    def _run(self) -> None:
        try:
            self._run_until_stopped()
        except BaseException as error:
            self._problem = error
        finally:
            connection.close()

    def _run_until_stopped(self) -> None:
        pause, periods_at = 0.0, 0.0
        while not self._stopping.wait(pause):
            close_old_connections()
            if not self._may_work():
                pause = IDLE
                continue
            try:
                if time.monotonic() >= periods_at:
                    self.begin_periodic()
                    periods_at = time.monotonic() + PERIODS_EVERY
                pause = 0.0 if self.turn() else IDLE
            except (DatabaseError, InterfaceError) as error:
                logger.warning("jobs wait, for the database cannot be used: %s", refusals.reason(error))
                pause = min(2 * pause + IDLE, LONGEST_PAUSE)

    def begin_periodic(self) -> None:
        """Makes the jobs that begin by themselves, each once in its period, however many runners look."""
        for name, kind in self._kinds.items():
            if kind.every and job_rows.create_for_period(name, kind.every):
                logger.info("a job of kind %s begins", name)

    def turn(self) -> bool:
        """Does the step that has been due longest. Returns whether there was one.

        Raises what the database raises while it is away: the step is undone then, and that counts as no failure.
        """
        job = job_rows.take(self._owner, self._kinds, settings.LEASE_SECONDS, only=self._only)
        if job is None:
            return False
        try:
            self._do(job)
        except LeaseLost:
            logger.info("%s was taken, paused or cancelled meanwhile; this step of it is undone", job)
        return True

    def _do(self, job: Job) -> None:
        kind = self._kinds[job.kind]
        try:
            if job.started_at is None:  # once: where counting takes longer than the lease, the next runner goes on
                job_rows.set_total(job.pk, self._owner, kind.total(job))
            repeated(lambda: self._step(kind, job.pk))
        except LeaseLost:
            raise
        except Exception as error:
            if refusals.is_away(error):
                raise
            self._failed(job, error)

    def _step(self, kind: Kind, pk: int) -> None:
        with turn_to_write(), transaction.atomic():
            job = job_rows.lock(pk, self._owner)
            step = kind.step(job, job.cursor)
            job_rows.move(job, self._owner, step)
        if step.cursor is None:
            logger.info(
                "%s is done: %s", job, ", ".join(f"{n:,} {what}" for what, n in job.counts.items()) or "nothing"
            )

    def _failed(self, job: Job, error: Exception) -> None:
        """A database's own words may quote a row, so they are neither logged nor kept."""
        of_database = isinstance(error, (DatabaseError, InterfaceError))
        why = refusals.reason(error) if of_database else f"{type(error).__name__}: {error}"
        state = job_rows.note_failure(job.pk, self._owner, why, self._pauses)
        level = logging.ERROR if state == State.FAILED else logging.WARNING
        logger.log(level, "a step of %s failed: %s", job, why, exc_info=None if of_database else error)
