"""`manage.py read_only on --for 30m --reason TEXT`: the platform accepts and moves nothing until it is over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.ledger.pauses.targets import PLATFORM
from notifications.ledger.pauses.verbs import NotPaused, pause, resume
from project.desk.audit import COMMAND_LINE, printed
from project.management.pausing import add_lasting, add_reason


class Command(BaseCommand):
    help = (
        "Make the whole platform read-only, for maintenance: callers are answered 503, senders and schedulers move no "
        "rows, the admin changes nothing. `read_only off` ends it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("switch", choices=("on", "off"))
        add_lasting(parser)
        add_reason(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        who_and_why = {"actor": COMMAND_LINE, "reason": options["reason"]}
        if options["switch"] == "on":
            made = pause(PLATFORM, **who_and_why, lasts=options["lasts"])
            until = f"until {printed(made.until)}" if made.until else "until somebody ends it: manage.py read_only off"
            self.stdout.write(f"The platform is read-only {until}.")
            return
        if options["lasts"]:
            raise CommandError("--for belongs to `read_only on`.")
        try:
            resume(PLATFORM, **who_and_why)
        except NotPaused:
            raise CommandError("The platform is not read-only.") from None
        self.stdout.write("The platform takes notifications and sends again.")
