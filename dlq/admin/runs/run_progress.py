"""How far a run is, as its page shows it: numbers, what it left alone, what died again, and when it will be through."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter, Run
from dlq.runs.groups import LEFT_OUT
from notifications.models import Job
from project.desk.audit import printed
from project.desk.in_words import in_words

MOST_LINES = 20
LEAST_SECONDS = 5.0  # before an estimate means anything


def state_in_words(run: Run) -> str:
    """Returns what the run does now, as a sentence."""
    sentences = {
        Run.State.ASKED: "It waits for a second person to approve it.",
        Run.State.PAUSED: f"It is paused and takes no further letters until somebody resumes it. {run.why_paused}",
        Run.State.STOPPED: "Stopped. What it had not sent is open again.",
        Run.State.REFUSED: run.why_paused,
        Run.State.DONE: "Done.",
    }
    if run.state == Run.State.STOPPED and run.ended_at is None:
        return "It stops: what it has not sent becomes open again."
    return sentences.get(Run.State(run.state), "") or _running(run)


def figures(run: Run) -> dict[str, Any]:
    """Returns what the part of the page shows that changes."""
    left = [(LEFT_OUT.get(why, why), count) for why, count in sorted(run.left_out.items()) if count]
    return {
        "run": run,
        "sentence": state_in_words(run),
        "trouble": _trouble(run),
        "over": run.ended_at is not None,
        "bar": _bar(run),
        "left": left,
        "left_count": sum(run.left_out.values()),
        "end": _end(run),
        "died": _died(run),
        "died_list": _list(run, state="open"),
        "as_of": printed(timezone.now()),
    }


def _running(run: Run) -> str:
    if run.canary:
        return f"It sends the first {run.canary:,}, and goes on by itself once 95 % of them arrive."
    if run.to_come:
        return "It runs."
    return "Everything is sent again; it waits for what is still on its way."


def _trouble(run: Run) -> str:
    """Returns why nothing moves although the run goes on: its job was stopped, or has failed."""
    if run.ended_at is not None or not run.job_id:
        return ""
    job = Job.objects.filter(pk=run.job_id).only("state", "error").first()
    if job is None or job.state in (Job.State.WAITING, Job.State.RUNNING):
        return f"Its last step failed and is tried again: {job.error}" if job and job.error else ""
    return f"Its job is {job.state}. {job.error} Resume the run, or stop it.".replace("  ", " ")


def _bar(run: Run) -> list[dict[str, Any]]:
    """Returns the parts of the bar, in per cent of the letters that matched."""
    of = max(run.asked, 1)
    parts = (
        ("sent", run.sent, "sent"),
        ("died again", run.died_again, "died"),
        ("on their way", run.on_their_way, "way"),
        ("left alone", sum(run.left_out.values()), "left"),
    )
    return [
        {"title": f"{count:,} {title}", "width": f"{100 * count / of:.1f}", "kind": kind}
        for title, count, kind in parts
        if count > 0
    ]


def _end(run: Run) -> str:
    """Returns when the run will be through at its present speed; "" where nobody can say."""
    at = run.since.get("at")
    if run.state != Run.State.RUNNING or not at:
        return ""
    passed = (timezone.now() - datetime.fromisoformat(at)).total_seconds()
    ended = run.sent + run.died_again - run.since.get("sent", 0) - run.since.get("died", 0)
    remaining = max(run.going - run.sent - run.died_again, 0)
    if passed < LEAST_SECONDS or ended <= 0 or not remaining:
        return ""
    seconds = remaining * passed / ended
    return f"about {printed(timezone.now() + timedelta(seconds=seconds))} ({_long(seconds)})"


def _long(seconds: float) -> str:
    if seconds < 90:
        return "in a minute"
    if seconds < 5_400:
        return f"in {round(seconds / 60)} minutes"
    return f"in {round(seconds / 3600)} hours"


def _died(run: Run) -> list[dict[str, Any]]:
    """Returns what died again, by problem and cause; once the run is over, as it was then."""
    found = run.summary if run.ended_at is not None else _died_now(run)
    return [
        line
        | {
            "words": in_words("cause", line["cause"]),
            "problem_page": reverse("admin:dlq_problem_change", args=[line["problem"]]) if line["problem"] else "",
            "list": _list(run, state="all", cause=line["cause"]),
        }
        for line in found
    ]


def _died_now(run: Run) -> list[dict[str, Any]]:
    if not run.died_again:
        return []
    letters = DeadLetter.objects.filter(run=run, state=DeadLetter.State.OPEN).order_by()
    found = letters.values("problem", "cause").annotate(letters=Count("pk")).order_by("-letters", "cause")
    return [dict(line) for line in found[:MOST_LINES]]


def _list(run: Run, **filters: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"run": str(run.pk), **filters}.items())
    return f"{reverse('admin:dlq_deadletter_changelist')}?{query}"
