"""The scheduler alone, for sites whose senders run with --no-scheduler."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from dlq.letters import Letters
from notifications.brokers.base import open_broker
from notifications.scheduling.scheduler import Scheduler
from project import collector
from project.logs.handler import log_what_nobody_catches
from project.management.serving import serve_metrics
from project.management.stopping import on_stop
from project.operations.kinds import kinds

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Bring due rows, the outbox and expired leases back to their topics. Any number may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--metrics-port", type=int, default=settings.METRICS_PORT)

    def handle(self, *_args: Any, **options: Any) -> None:
        log_what_nobody_catches()
        broker = open_broker()
        scheduler = Scheduler(broker, Letters(broker), kinds=kinds())
        on_stop(scheduler.stop)
        serve_metrics(options["metrics_port"], scheduler.is_stuck)
        collector.look_seldom()
        logger.info("scheduling")
        scheduler.run()
