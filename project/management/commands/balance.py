"""Compares the log with the ledger. Exits with 0 where everything adds up, else with 1 and what is off."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from project.management.moments import moment
from project.operations import balance

NAMED = 100


class Command(BaseCommand):
    help = "Check that every notification accepted is in the ledger or still to be read, and that every row can move."

    def add_arguments(self, parser: CommandParser) -> None:
        wanted = "such as 2030-01-31T12:00:00Z; default: everything"
        parser.add_argument("--since", type=partial(moment, "--since"), help=wanted)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            found = balance.take(options["since"])
        except ConnectionError as error:
            raise CommandError(f"The topics cannot be read: {error}") from error
        for status, count in sorted(found.statuses.items()):
            self.stdout.write(f"{status:>10} {count:>12,}")
        self.stdout.write(f"{'unclaimed':>10} {len(found.unclaimed):>12,}  in Kafka only, to be read")
        self.stdout.write(f"{'pruned':>10} {found.pruned.total():>12,}  removed by retention")
        self.stdout.write(f"{'digests':>10} {found.digests:>12,}  among them, of others")
        self.stdout.write(f"{'missing':>10} {len(found.missing):>12,}")
        self.stdout.write(f"{'accepted':>10} {found.accepted:>12,}  in {found.records:,} records and the ledger")
        for what, why in found.off[:NAMED]:
            self.stdout.write(f"off: {what} {why}")
        if len(found.off) > NAMED:
            self.stdout.write(f"off: and {len(found.off) - NAMED:,} more")
        self.stdout.write("It balances." if not found.off else f"{len(found.off):,} off.")
        sys.exit(1 if found.off else 0)
