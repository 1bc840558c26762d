"""After the ledger was restored from a backup: the groups read again what the backup does not have."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from dlq.letters import Letters
from notifications.brokers.base import Rewind, open_broker
from notifications.ledger import restored
from notifications.models import Rewound
from project.management.moments import moment


class Command(BaseCommand):
    help = "After a restore, with every sender and scheduler stopped: read again what the backup does not have."

    def add_arguments(self, parser: CommandParser) -> None:
        wanted = "such as 2030-01-31T12:00:00Z: before the backup began, by as much as records may have waited then"
        parser.add_argument("--to", type=partial(moment, "--to"), help=f"{wanted}; default: all there is")

    def handle(self, *_args: Any, **options: Any) -> None:
        to: datetime | None = options["to"]
        broker = open_broker()
        try:
            places = broker.rewinds(to)
            note(places)
            broker.rewind(places)
        except ConnectionError as error:
            raise CommandError(f"The groups were not moved: {error}") from error
        held = restored.hold_unfinished(hooks=Letters(broker))
        self.stdout.write(f"{held:,} unfinished notifications are held: they may have been sent since the backup.")
        records: Counter[str] = Counter()
        for place in places:
            records[place.topic] += place.before - place.offset
        for topic, count in sorted(records.items()):
            self.stdout.write(f"{topic}: {count:,} records are read again")


@transaction.atomic
def note(places: list[Rewind]) -> None:
    """Notes what was read, before anything is moved. A second run, whose groups are moved already, changes nothing."""
    known = {(each.topic, each.partition): each.before for each in Rewound.objects.select_for_update()}
    for place in places:
        before = max(place.before, known.get((place.topic, place.partition), 0))
        Rewound.objects.update_or_create(topic=place.topic, partition=place.partition, defaults={"before": before})
