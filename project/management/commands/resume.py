"""`manage.py resume EMAIL --reason TEXT`: what waits for the pause goes at once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.ledger.pauses.targets import UnknownTarget, read_target
from notifications.ledger.pauses.verbs import NotPaused, resume
from notifications.models import Pause
from project.desk.audit import COMMAND_LINE
from project.management.pausing import WHAT, add_reason


class Command(BaseCommand):
    help = "End a pause. What waits for it goes at once, in order for each receiver."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", help=WHAT)
        add_reason(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            target = read_target(options["what"], paused=Pause.objects.in_force())
            resume(target, actor=COMMAND_LINE, reason=options["reason"])
        except UnknownTarget as error:
            raise CommandError(str(error)) from error
        except NotPaused as error:
            paused = ", ".join(map(str, Pause.objects.in_force())) or "nothing"
            raise CommandError(f"{error} Paused now: {paused}.") from error
        self.stdout.write(f"{target} is resumed.")
