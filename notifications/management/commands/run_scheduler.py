"""The scheduler alone, for sites whose senders run with --no-scheduler."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from prometheus_client import start_http_server

from notifications.scheduler import Scheduler


class Command(BaseCommand):
    help = "Bring due rows, the outbox and expired leases back to their topics. Any number may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--metrics-port", type=int, default=settings.METRICS_PORT)

    def handle(self, *_args: Any, **options: Any) -> None:
        scheduler = Scheduler()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C kills
            scheduler.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if options["metrics_port"]:
            start_http_server(options["metrics_port"])
        self.stderr.write("scheduling")
        scheduler.run()
