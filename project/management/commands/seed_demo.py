"""Fills an empty database with a believable week, to look around in."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from project.demo.seed import is_empty, seed


class Command(BaseCommand):
    help = "Fill an empty database with a believable week: outages, mistyped addresses, a growing problem, a run."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not is_empty():
            raise CommandError("There are notifications or people in this database: the demo is for an empty one.")
        made = seed()
        self.stdout.write(f"Made {', '.join(f'{count:,} {name}' for name, count in made.items())}.")
