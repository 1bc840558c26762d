"""Retention in the foreground: the job that schedulers run each day, with its progress; or what would go."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from notifications.models import Job
from notifications.scheduling import job_rows
from notifications.scheduling.job_rows import UNFINISHED
from project.desk.audit import COMMAND_LINE
from project.management.following import follow
from project.operations import retention
from project.operations.kinds import PRUNE


class Command(BaseCommand):
    help = "Remove what is older than RETENTION_DAYS and RETENTION_TEXT_DAYS allow."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, by table and day")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["dry_run"]:
            self._preview()
            return
        job = Job.objects.filter(kind=PRUNE, state__in=UNFINISHED).order_by("id").first()
        if job is None:
            job = job_rows.create(PRUNE, COMMAND_LINE)
        else:
            self.stdout.write(f"Job {job.pk} is {job.state} already; this follows it.")
        sys.exit(0 if follow(job, self.stdout, self.stderr) else 1)

    def _preview(self) -> None:
        found = list(retention.preview(retention.Bounds.now()))
        for what, rows in groupby(sorted(found), key=lambda row: row[0]):
            days = [(day, count) for _, day, count in rows]
            self.stdout.write(f"{what}: {sum(count for _, count in days):,}")
            for day, count in days:
                self.stdout.write(f"  {day} {count:>12,}")
        self.stdout.write("Nothing was removed." if found else "There is nothing to remove.")
