"""Writes all about one person as JSON to the standard output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from project.desk.audit import COMMAND_LINE
from project.privacy import export, person


class Command(BaseCommand):
    help = "Write all about one person, as one JSON document (docs/privacy.md), to the standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = person.find(options["username"])
        if not found.is_known():
            raise CommandError("Nothing is known of this person, neither in the directory nor in the ledger.")
        export.note(found, COMMAND_LINE)
        for piece in export.export(found):
            self.stdout.write(piece.decode(), ending="")
