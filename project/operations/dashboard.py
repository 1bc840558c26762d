"""The first page of the admin: which workers are alive, what waits, what died. Every count uses an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse

from dlq.models import DeadLetter
from notifications.admin.small_tables import ALIVE_SECONDS
from notifications.messages.words import BreakerState, Status
from notifications.models import BreakerEvent, Notification, WorkerHeartbeat
from project.desk.audit import printed

MOST_BADGE = 999
NOBODY = {
    "sender": "No sender is alive: nothing is being sent. Accepted notifications are safe and wait. "
    "Start one with: manage.py run_sender",
    "scheduler": "No scheduler is alive: retries, replays and the outbox stand still. "
    "Start a sender, which has one inside, or: manage.py run_scheduler",
}


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    total: str
    help: str
    lines: list[tuple[str, str, str]] = field(default_factory=list)  # text, figure, link
    link: str = ""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Returns the context of the index page, with what this person may see. Unfold calls it."""
    may = request.user.has_perm
    alive = list(WorkerHeartbeat.objects.filter(seen_at__gte=Now() - timedelta(seconds=ALIVE_SECONDS)))
    cards: list[Card] = []
    if may("dlq.view_deadletter") or may("dlq.change_deadletter"):
        cards.append(_open_letters())
    if may("notifications.view_notification") or may("notifications.change_notification"):
        cards += [_waiting(), _outbox()]
    if may("notifications.view_workerheartbeat"):
        cards.append(_workers(alive))
    if may("notifications.view_breakerevent"):
        cards.append(_breakers([worker.worker for worker in alive]))
    kinds = {worker.kind for worker in alive}
    return context | {"cards": cards, "warnings": [text for kind, text in NOBODY.items() if kind not in kinds]}


def open_letters_badge(_: HttpRequest) -> str:
    """Returns the number of open letters, counted no further than the badge can show."""
    count = DeadLetter.objects.filter(state=DeadLetter.State.OPEN).order_by()[: MOST_BADGE + 1].count()
    return f"{MOST_BADGE}+" if count > MOST_BADGE else str(count)


def _open_letters() -> Card:
    page = reverse("admin:dlq_deadletter_changelist")
    by_cause = DeadLetter.objects.filter(state=DeadLetter.State.OPEN).order_by().values_list("cause")
    counts = _largest_first(by_cause.annotate(count=Count("pk")))
    lines = [(cause, f"{count:,}", f"{page}?{urlencode({'cause': cause})}") for cause, count in counts]
    total = sum(count for _, count in counts)
    return Card(
        "Open dead letters",
        f"{total:,}",
        "They wait for a person, by cause." if total else "Nothing to do.",
        lines,
        page,
    )


def _waiting() -> Card:
    page = reverse("admin:notifications_notification_changelist")
    by_reason = Notification.objects.with_status(Status.WAITING).order_by().values_list("reason")
    counts = _largest_first(by_reason.annotate(count=Count("pk")))
    lines = [(reason, f"{count:,}", f"{page}?{urlencode({'reason': reason})}") for reason, count in counts]
    due = Notification.objects.filter(status=Status.WAITING, due_at__isnull=False).order_by("due_at")
    first = due.values_list("due_at", flat=True).first()
    when = f"The next one is due at {printed(first)}." if first else "Nothing waits."
    return Card("Waiting", f"{sum(count for _, count in counts):,}", when, lines, f"{page}?status=waiting")


def _outbox() -> Card:
    count = Notification.objects.outbox().count()
    page = reverse("admin:notifications_notification_changelist")
    words = "Accepted while Kafka did not answer; a scheduler publishes them." if count else "Nothing waits for Kafka."
    return Card("Outbox", f"{count:,}", words, [], f"{page}?status=accepted")


def _workers(alive: list[WorkerHeartbeat]) -> Card:
    lines = [(worker.worker, worker.channels.replace(",", ", ") or "–", "") for worker in alive[:10]]
    page = reverse("admin:notifications_workerheartbeat_changelist")
    return Card("Workers alive", f"{len(alive):,}", f"Seen in the last {ALIVE_SECONDS} seconds.", lines, page)


def _breakers(workers: list[str]) -> Card:
    """Returns the card of the breakers whose last event, in a worker that is alive, is open."""
    events = BreakerEvent.objects.filter(worker__in=workers).order_by()
    last = events.values("worker", "channel", "provider").annotate(last=Max("id")).values("last")
    opened = BreakerEvent.objects.filter(pk__in=last, state=BreakerState.OPEN).order_by("channel")
    lines = [(f"{event.channel} {event.provider}", printed(event.at), "") for event in opened]
    words = "These providers are taken for out of order; sending to them pauses." if lines else "All providers answer."
    page = reverse("admin:notifications_breakerevent_changelist")
    return Card("Breakers open", f"{len(lines):,}", words, lines[:10], page)


def _largest_first(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: -pair[1])
