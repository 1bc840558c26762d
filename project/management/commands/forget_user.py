"""Erases all about one person, in the foreground and with progress."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.models import Job
from project.desk.audit import COMMAND_LINE
from project.management.following import follow
from project.privacy import forget
from users.people.directory import username_problem


class Command(BaseCommand):
    help = "Erase all about one person: their entry in the directory, and what notifications to them contain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        if problem := username_problem(options["username"]):
            raise CommandError(problem)
        job = Job.objects.get(pk=forget.begin(options["username"], COMMAND_LINE).job)
        self.stdout.write("Nothing more goes to this person. A last look comes once the present claims are over.")
        sys.exit(0 if follow(job, self.stdout, self.stderr) else 1)
