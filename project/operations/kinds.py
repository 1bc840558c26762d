"""The kinds of jobs that schedulers work on, handed to them by the commands that start them."""

from __future__ import annotations

from dlq.mending import job as mending_job
from dlq.mending.job import Mend
from dlq.runs import steering as runs
from dlq.runs.replaying import Replay
from notifications.scheduling.jobs import Kind
from project.operations.prune import Prune
from project.privacy import forget
from project.privacy.job import Forget

PRUNE = "prune"


def kinds() -> dict[str, Kind]:
    """Returns every kind by its name."""
    return {PRUNE: Prune(), runs.KIND: Replay(), mending_job.KIND: Mend(), forget.KIND: Forget()}
