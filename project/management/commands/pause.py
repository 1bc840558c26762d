"""`manage.py pause EMAIL --for 1h --reason TEXT`: nothing of it is sent until it is over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.ledger.pauses.targets import UnknownTarget, read_target
from notifications.ledger.pauses.verbs import pause
from project.desk.audit import COMMAND_LINE, printed
from project.management.pausing import WHAT, add_lasting, add_reason


class Command(BaseCommand):
    help = (
        "Pause a channel, a provider, a category or a client. Nothing is lost: notifications are accepted and wait. "
        "Senders follow within two seconds; what is with a provider already ends."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", help=WHAT)
        add_lasting(parser)
        add_reason(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            target = read_target(options["what"])
        except UnknownTarget as error:
            raise CommandError(str(error)) from error
        made = pause(target, actor=COMMAND_LINE, reason=options["reason"], lasts=options["lasts"])
        until = (
            f"until {printed(made.until)}" if made.until else f"until somebody resumes it: manage.py resume {target}"
        )
        self.stdout.write(f"{target} is paused {until}.")
