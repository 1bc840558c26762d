"""The first page of the admin. It begins with an answer, and reads no ledger and no letters: docs/adr/0033."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from notifications.models import Standing, WorkerHeartbeat
from project.desk.audit import printed
from project.desk.in_words import in_words
from project.desk.moments import at
from project.operations import charts, open_work, services
from project.operations.channel_rows import ChannelRow, Figure, channel_rows
from project.operations.known import Known
from project.operations.links import Links, may_see
from project.operations.open_work import Some
from project.operations.verdict import Verdict, failed_jobs, paused, verdict

MOST_WORKERS = 10


@dataclass(frozen=True, slots=True)
class Count:
    """A card with a number and what it consists of. `total` is None where it is not known."""

    title: str
    total: Figure
    help: str
    lines: list[tuple[str, Figure]]


@dataclass(frozen=True, slots=True)
class Overview:
    verdict: Verdict
    channels: list[ChannelRow]
    services: list[tuple[str, str, str]]  # name, how it is, tone
    counts: list[Count]
    problems: Some | None
    mine: Some | None
    runs: Some | None
    workers: list[tuple[str, str]] | None  # name, channels
    is_new: bool  # nothing was ever counted
    needs_key: bool  # to send one
    address: str  # of this site
    as_of: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Returns the context of the index page, with what this person may see. Unfold calls it."""
    links = Links(request)
    sees_figures = may_see(request, "notifications_notification") or may_see(request, "dlq_deadletter")
    day = charts.day(timezone.now(), links) if sees_figures else None
    return context | {"overview": overview(request), "day": day}


def fragment(request: HttpRequest) -> HttpResponse:
    """Returns the page's changing parts alone, for the script that renews them."""
    return TemplateResponse(request, "desk/overview.html", dashboard(request, {}))


def overview(request: HttpRequest) -> Overview:
    """Reads what the page shows, with the same number of queries whatever there is."""
    links, known = Links(request), Known.read()
    sees_rows, sees_letters = may_see(request, "notifications_notification"), may_see(request, "dlq_deadletter")
    kafka = services.broker.problem() if settings.KAFKA_BOOTSTRAP_SERVERS else ""
    rows = channel_rows(known, links)
    problems = open_work.problems(known.now, links) if sees_letters else None
    runs = open_work.runs(links) if sees_letters else None
    others = [*paused(known, links), *open_work.sentences(problems, runs), *failed_jobs(known, links)]
    return Overview(
        verdict(known, rows, kafka, others),
        rows if sees_rows else [],
        _services(known, kafka),
        [*([_letters(known, links)] if sees_letters else []), *(_waiting(known, links) if sees_rows else [])],
        problems,
        open_work.my_problems(request.user.get_username(), known.now, links) if sees_letters else None,
        runs,
        _workers(known.alive) if may_see(request, "notifications_workerheartbeat") else None,
        not known.counted_before,
        settings.API_KEYS_REQUIRED,
        request.build_absolute_uri("/").rstrip("/"),
        printed(known.now),
    )


def _services(known: Known, kafka: str | None) -> list[tuple[str, str, str]]:
    written = known.last_written()
    database = f"answers; last written {at(written, known.now)}" if written else "answers"
    found = [("Database", "takes no writes", "bad") if known.read_only else ("Database", database, "good")]
    if not settings.KAFKA_BOOTSTRAP_SERVERS:
        return [*found, ("Queue", "in the database; there is no Kafka", "")]
    if kafka is None:
        return [*found, ("Kafka", "unknown: it is being asked", "odd")]
    return [*found, ("Kafka", kafka or "answers", "bad" if kafka else "good")]


def _letters(known: Known, links: Links) -> Count:
    counted = known.counted(Standing.Name.PROBLEMS)
    if counted is None:
        return Count("Open dead letters", Figure("unknown"), "No scheduler has counted them lately.", [])
    causes = sorted(((cause, count) for cause, count in counted.items() if count), key=lambda pair: -pair[1])
    lines = [(in_words("cause", cause), Figure(f"{count:,}", links.letters(cause=cause))) for cause, count in causes]
    words = "They wait for a person, by cause." if lines else "Nothing to do."
    total = Figure(f"{sum(counted.values()):,}", links.to("dlq_deadletter"))
    return Count("Open dead letters", total, words, lines)


def _waiting(known: Known, links: Links) -> list[Count]:
    counted, outbox = known.counted(Standing.Name.WAITING), known.counted(Standing.Name.OUTBOX)
    if counted is None or outbox is None:
        return [Count("Waiting", Figure("unknown"), "No scheduler has counted them lately.", [])]
    reasons: dict[str, int] = {}
    for by_reason in counted.values():
        for reason, each in by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + each["rows"]
    lines = [
        (in_words("reason", reason), Figure(f"{count:,}", links.notifications(reason=reason)))
        for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1])
    ]
    total = Figure(f"{sum(reasons.values()):,}", links.notifications(status="waiting"))
    words = "They go out by themselves, by what they wait for." if lines else "Nothing waits."
    found = [Count("Waiting", total, words, lines)]
    rows = int(outbox["rows"])
    return [*found, _outbox(rows, links)] if rows or links.in_kafka else found


def _outbox(rows: int, links: Links) -> Count:
    words = "Accepted while Kafka did not answer; a scheduler publishes them." if rows else "Nothing waits for Kafka."
    return Count("Outbox", Figure(f"{rows:,}", links.notifications(status="accepted")), words, [])


def _workers(alive: list[WorkerHeartbeat]) -> list[tuple[str, str]]:
    return [(worker.worker, worker.channels.replace(",", ", ") or worker.kind) for worker in alive[:MOST_WORKERS]]


fragment_view = admin.site.admin_view(fragment)
