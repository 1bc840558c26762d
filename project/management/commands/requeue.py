"""Publish queued rows again: after a topic was lost, or a move from the embedded queue to Kafka."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from notifications.ledger import due


class Command(BaseCommand):
    help = "Have the scheduler publish all queued rows again. Nothing is sent twice: the claim drops second copies."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"{due.requeue()} rows will be published again by the scheduler.")
