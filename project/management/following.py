"""Follows a job in the foreground, with its progress: for the commands that begin one."""

from __future__ import annotations

import time

from django.core.management.base import OutputWrapper

from notifications.models import Job
from notifications.scheduling.job_rows import TO_DO, State
from notifications.scheduling.jobs import Runner
from project.operations.kinds import kinds

LOOK_EVERY = 0.5  # seconds, while another runner has the job or it pauses
TELL_EVERY = 1.0  # seconds between two lines of progress


def follow(job: Job, out: OutputWrapper, errors: OutputWrapper) -> bool:
    """Does the job's steps, or waits while another runner does them. Returns whether it came to its end."""
    runner, printed_at = Runner(kinds(), only=job.pk), 0.0
    try:
        while job.state in TO_DO:
            if not runner.turn():
                time.sleep(LOOK_EVERY)
            job.refresh_from_db()
            if time.monotonic() - printed_at >= TELL_EVERY:
                printed_at = time.monotonic()
                out.write(f"{job.done:,} of {job.total or 0:,}", ending="\n")
    except KeyboardInterrupt:
        errors.write(f"Left at {job.done:,}; a scheduler goes on with job {job.pk}.")
        return False
    for what, count in job.counts.items():
        out.write(f"{what}: {count:,}")
    out.write(f"Job {job.pk} is {job.state}{f': {job.error}' if job.error else '.'}")
    return job.state == State.DONE
