"""Make the topics that are missing, and grow those with too few partitions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.brokers.base import open_broker


class Command(BaseCommand):
    help = "Create the topics of all channels and the dead-letter topic; idempotent, never shrinks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partitions", type=int, default=12)
        parser.add_argument("--replication-factor", type=int, default=3)

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["partitions"] < 1 or options["replication_factor"] < 1:
            raise CommandError("--partitions and --replication-factor must be at least 1.")
        try:
            done = open_broker().create_topics(options["partitions"], options["replication_factor"])
        except ConnectionError as error:
            raise CommandError(str(error)) from error
        for line in done:
            self.stdout.write(line)
