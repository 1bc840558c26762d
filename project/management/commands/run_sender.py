"""Deliver: consume the channels' topics, send, settle, and bring back what is due."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dlq.letters import Letters
from notifications.brokers.base import open_broker
from notifications.channels import channel_names, open_providers
from notifications.sending.sandbox_store import SandboxTable
from notifications.sending.sender import Sender
from project import collector
from project.logs.handler import log_what_nobody_catches
from project.management.serving import serve_metrics
from project.management.stopping import on_stop
from project.operations.kinds import kinds

logger = logging.getLogger(__name__)

# Seconds that a thread keeps Python's lock while another one wants it. With Python's own 0.005 the loop, the consumers
# and the settler take it from each other in the middle of their batches, which costs a tenth of a sender's CPU.
SWITCH = 0.02


class Command(BaseCommand):
    help = "Send what is in the topics of the channels, and schedule what is due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--channels", default=",".join(channel_names()), help="such as EMAIL,SMS; default: all")
        parser.add_argument("--threads", type=int, default=settings.SENDER_THREADS, help="sends of a channel at once")
        parser.add_argument("--no-scheduler", action="store_true", help="leave scheduling to run_scheduler")
        parser.add_argument("--metrics-port", type=int, default=settings.METRICS_PORT)
        parser.add_argument("--drain", type=float, help="seconds a SIGTERM may take; default: send timeout + 5")

    def handle(self, *_args: Any, **options: Any) -> None:
        log_what_nobody_catches()
        names = [name.strip().upper() for name in options["channels"].split(",") if name.strip()]
        if unknown := set(names) - set(channel_names()):
            raise CommandError(f"Unknown channels: {', '.join(sorted(unknown))}. Known: {', '.join(channel_names())}.")
        if options["threads"] is not None and options["threads"] < 1:
            raise CommandError("--threads must be at least 1.")
        try:
            store = SandboxTable()
            providers = {name: open_providers(name, store) for name in names}
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        broker = open_broker()
        for warning in broker.warnings():
            logger.warning("%s", warning)
        sender = Sender(
            providers,
            broker=broker,
            hooks=Letters(broker),
            at_once=options["threads"],
            with_scheduler=not options["no_scheduler"],
            drain=options["drain"],
            kinds=kinds(),
        )
        on_stop(sender.stop)
        serve_metrics(options["metrics_port"], sender.is_stuck, sender.unassigned)
        routes = (f"{name} ({', then '.join(one.name for one in route)})" for name, route in providers.items())
        sys.setswitchinterval(SWITCH)
        collector.look_seldom()
        logger.info("sending %s", ", ".join(routes))
        sys.exit(sender.run())
