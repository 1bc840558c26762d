"""Repair what an older version wrote while the platform was upgraded: docs/upgrading.md, From 1.0."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from notifications.ledger.mend import mend


class Command(BaseCommand):
    help = "List rows as their status says, and have the scheduler look after rows that nobody would. Changes no other."

    def handle(self, *_args: Any, **_options: Any) -> None:
        relisted, unswept = mend()
        self.stdout.write(f"{relisted} rows are listed anew, and {unswept} that are sending will be looked at.")
