"""Check what an operator can get wrong: a line for each check, `ok` or what to do."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from project.operations.doctor.checks import checks
from project.operations.doctor.examine import examine


class Command(BaseCommand):
    help = "Check settings, database, Kafka, providers and workers. Sends nothing. Exit code 1 if one is not ok."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        well = True
        for finding in examine(checks()):
            well = well and not finding.problems
            for line in finding.lines():
                self.stdout.write(line)
        self.stdout.flush()
        sys.exit(0 if well else 1)
