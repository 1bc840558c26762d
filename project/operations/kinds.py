"""The kinds of jobs that schedulers work on, handed to them by the commands that start them."""

from __future__ import annotations

from dlq import mending_job, runs
from dlq.mending_job import Mend
from dlq.replaying import Replay
from notifications.scheduling.jobs import Kind
from project.operations.prune import Prune

PRUNE = "prune"


def kinds() -> dict[str, Kind]:
    """Returns every kind by its name."""
    return {PRUNE: Prune(), runs.KIND: Replay(), mending_job.KIND: Mend()}
