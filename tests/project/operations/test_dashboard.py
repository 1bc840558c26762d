"""The first page: an answer first, then how each channel is, with what is not known as unknown."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dlq.models import Problem, Run
from harness.services.waiting import wait_until
from notifications.channels.outcomes import Cause
from notifications.messages.words import Happened
from notifications.models import BreakerEvent, Standing, WorkerHeartbeat
from project.database.dialects import fetch
from project.operations import services
from project.operations.services import Asked
from project.operations.verdict import NO_SCHEDULER, NO_SENDER
from tests.project.operations.overview import (
    INDEX,
    alive,
    channel,
    counted,
    minute,
    opened,
    overview,
    sentences,
    worker,
)

pytestmark = pytest.mark.django_db
NOW, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def a_problem(**fields: object) -> Problem:
    now = timezone.now()
    given: dict[str, object] = {
        "channel": "EMAIL",
        "provider": "smtp",
        "cause": Cause.REJECTED_CONTENT,
        "fingerprint": f"fingerprint {Problem.objects.count()}",
        "version": 1,
        "first_seen": now,
        "last_seen": now,
        "open_letters": 7,
    }
    return Problem.objects.create(**(given | fields))


def test_all_is_well_where_everybody_works(anna: Client) -> None:
    alive()
    minute(5, ago=NOW)
    found = overview(anna)
    assert (found.verdict.answer, found.verdict.sentences) == ("All is well.", [])
    assert (channel(anna).state.word, channel(anna, "SMS").state.word) == ("sending", "nothing to send")


def test_nobody_works_and_what_they_would_know_is_unknown(anna: Client) -> None:
    long_ago = timezone.now() - timedelta(seconds=95)
    worker("scheduler", "host:1:scheduler", seen_at=long_ago)
    counted(queued={"EMAIL": {"rows": 4, "oldest": None}})
    Standing.objects.update(as_of=long_ago)
    found = overview(anna)
    assert found.verdict.tone == "bad"
    assert [sentence.text for sentence in found.verdict.sentences] == [NO_SENDER, NO_SCHEDULER]
    row = channel(anna)
    assert (row.state.word, row.waiting.text, row.queued.text) == ("unknown: no sender is alive", "unknown", "unknown")
    assert {count.total.text for count in found.counts} == {"unknown"}
    WorkerHeartbeat.objects.update(seen_at=timezone.now())
    assert "How many notifications wait is not known" in sentences(anna)


def test_a_channel_that_no_sender_serves(anna: Client) -> None:
    alive(channels="EMAIL,SLACK")
    counted(waiting={"SMS": {"retry": {"rows": 3, "oldest": timezone.now().isoformat()}}})
    assert channel(anna, "SMS").state.word == "no sender"
    assert sentences(anna) == (
        "No sender that is alive serves SMS. 3 notifications wait and will go out by themselves."
    )


def test_a_channel_is_out_of_order_until_its_breaker_closes_or_its_sender_dies(anna: Client) -> None:
    alive()
    event = opened()
    opened(name="gone:2:sender")
    state = channel(anna).state
    assert state.word == f"out of order since {timezone.localtime(event.at):%H:%M}" or "Nov" in state.word
    assert state.notes == ["smtp: we could not reach the provider"] or state.notes[0].startswith("smtp: ")
    assert "E-mail is out of order since" in sentences(anna)
    assert overview(anna).verdict.tone == "bad"
    minute(5, ago=NOW)
    assert channel(anna).state.word.startswith("partly out of order since")
    BreakerEvent.objects.create(worker=event.worker, channel="EMAIL", provider="smtp", state="closed")
    assert channel(anna).state.word == "sending"


def test_of_several_senders_it_says_in_how_many_a_breaker_is_open(anna: Client) -> None:
    alive()
    worker("sender", "host:2:sender", channels="EMAIL")
    opened()
    assert channel(anna).state.notes[0].endswith(", in 1 of 2 senders")


def test_the_last_hour_stands_beside_the_usual(anna: Client) -> None:
    alive()
    minute(40, ago=20 * NOW)
    minute(999, ago=HOUR + 20 * NOW)
    for day, count in enumerate((100, 5, 110, 120, 90, 4000, 95), 1):
        minute(count, ago=day * DAY + 20 * NOW)
    minute(1, ago=9 * DAY)
    row = channel(anna)
    assert (row.sent.text, row.usual) == ("40", "100")
    minute(90, ago=20 * NOW, happened=Happened.ACCEPTED)
    assert "E-mail sent 40 in the last hour, usually 100, though 90 were accepted." in sentences(anna)
    minute(20, ago=20 * NOW, happened=Happened.ACCEPTED)
    assert sentences(anna) == "", "fewer were asked for"


def test_the_usual_is_unknown_in_the_first_days(anna: Client) -> None:
    minute(5, ago=2 * DAY + 20 * NOW)
    minute(5, ago=DAY + 20 * NOW)
    assert channel(anna).usual == "not known yet"


def test_what_is_queued_for_minutes_and_not_sent_stands_still(anna: Client) -> None:
    alive()
    old, young = (timezone.now() - timedelta(minutes=age) for age in (40, 3))
    counted(
        queued={"EMAIL": {"rows": 1200, "oldest": old.isoformat()}, "SMS": {"rows": 2, "oldest": young.isoformat()}},
        waiting={"EMAIL": {"retry": {"rows": 3, "oldest": young.isoformat()}}},
    )
    row = channel(anna)
    assert (row.state.word, row.queued.text, row.waiting.text, row.oldest) == (
        "stands still",
        "1,200",
        "3",
        "40 min ago",
    )
    assert channel(anna, "SMS").state.word == "queued"
    assert "Nothing was sent by E-mail for five minutes" in sentences(anna)
    minute(1, ago=NOW)
    assert channel(anna).state.word == "sending"


def test_what_waits_on_purpose_is_not_the_oldest(anna: Client) -> None:
    alive()
    old, young = ((timezone.now() - timedelta(minutes=age)).isoformat() for age in (4000, 3))
    counted(waiting={"EMAIL": {"scheduled": {"rows": 7, "oldest": old}, "retry": {"rows": 3, "oldest": young}}})
    assert (channel(anna).waiting.text, channel(anna).oldest) == ("10", "3 min ago")
    counted(waiting={"EMAIL": {"scheduled": {"rows": 7, "oldest": old}}})
    assert (channel(anna).waiting.text, channel(anna).oldest, channel(anna).state.word) == ("7", "–", "nothing is due")


def test_problems_and_runs_that_need_somebody_are_at_the_top(anna: Client) -> None:
    alive()
    minute(5, ago=NOW)
    grows = a_problem(growing=True, open_letters=150)
    a_problem(state=Problem.State.IGNORED, growing=True)
    mine = a_problem(owner="anna")
    run = Run.objects.create(
        actor="sam", selection={}, last_letter=1, state=Run.State.PAUSED, why_paused="a breaker opened", asked=9, sent=4
    )
    found = overview(anna)
    assert found.problems
    assert found.mine
    assert found.runs
    assert len(found.problems.rows) == 2
    assert found.problems.rows[0].link.endswith(f"/{grows.pk}/change/")
    assert [row.link for row in found.mine.rows] == [found.problems.rows[1].link]
    assert found.problems.rows[1].link.endswith(f"/{mine.pk}/change/")
    assert [row.detail for row in found.runs.rows] == ["4 of 9 sent, 0 died again"]
    assert "A problem grows: Text refused: E-mail over smtp, 150 open." in sentences(anna)
    assert "Nobody has looked at a problem" not in sentences(anna), "somebody is on it"
    Problem.objects.update(growing=False, owner="")
    assert "Nobody has looked at 2 problems." in sentences(anna)
    grows.delete()
    assert "Nobody has looked at a problem: Text refused: E-mail over smtp, 7 open." in sentences(anna)
    assert f"Run {run.pk} is paused, by sam: a breaker opened." in sentences(anna)
    Run.objects.update(state=Run.State.ASKED, why_paused="")
    assert f"Run {run.pk} waits for a second person to approve it, asked for by sam." in sentences(anna)
    assert found.verdict.tone == "odd"


def test_jobs_that_failed_and_what_is_overdue(anna: Client) -> None:
    alive()
    counted(jobs={"prune": {"failed": 1, "done": 3}}, outbox={"rows": 2, "overdue": 400.0})
    assert "A job has failed: prune." in sentences(anna)
    assert "a notification has been due for 6 min" in sentences(anna)


def test_kafka_is_asked_beside_the_page(anna: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    alive()
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    answer, asked = threading.Event(), []

    def ask() -> str:
        asked.append(1)
        assert answer.wait(30)
        return "No broker answers."

    monkeypatch.setattr(services, "broker", Asked(ask))
    assert ("Kafka", "unknown: it is being asked", "odd") in overview(anna).services
    assert overview(anna).verdict.tone == "good"
    answer.set()
    wait_until(lambda: services.broker.problem() is not None)
    assert ("Kafka", "No broker answers.", "bad") in overview(anna).services
    assert "Kafka does not answer: No broker answers." in sentences(anna)
    assert len(asked) == 1, "an answer is good for some seconds"


def test_what_kafka_has_is_counted_without_a_list(
    anna: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "broker", Asked(lambda: ""))
    alive()
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    counted(queued={"EMAIL": {"rows": 12, "oldest": None}})
    assert (channel(anna).queued.text, channel(anna).queued.link) == ("12", "")


def test_an_empty_installation_says_how_to_begin(anna: Client, settings: Settings) -> None:
    alive()
    settings.API_KEYS_REQUIRED = True
    assert overview(anna).verdict.answer == "All is well. Nothing was counted yet."
    shown = anna.get(INDEX).content.decode()
    assert "curl http://testserver/notification" in shown
    assert "create_api_key" in shown
    assert "The last day" not in shown
    settings.API_KEYS_REQUIRED = False
    assert "create_api_key" not in anna.get(INDEX).content.decode()
    minute(1, ago=NOW)
    shown = anna.get(INDEX).content.decode()
    assert "curl" not in shown
    assert "The last day" in shown


def test_times_name_their_zone(anna: Client) -> None:
    assert overview(anna).as_of.endswith(" UTC")


@pytest.mark.postgresql
def test_a_database_that_takes_no_writes_is_not_well(anna: Client) -> None:
    alive()
    assert overview(anna).verdict.tone == "good"
    fetch("SET LOCAL transaction_read_only = on")
    assert "takes no writes" in sentences(anna)
    assert ("Database", "takes no writes", "bad") in overview(anna).services
