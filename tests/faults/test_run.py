"""A replay of many letters whose senders, and with them the schedulers that work on it, are killed at random.

RUN_LETTERS says how many letters there are (600), RUN_SEED at which points the senders are killed.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from functools import partial

import pytest

from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import Site

LETTERS = int(os.environ.get("RUN_LETTERS", "600"))
SEED = int(os.environ.get("RUN_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
KILLS = 10
DEADLINE = 60 + LETTERS / 100  # seconds for the run, with all kills

BEGIN = """
from dlq.runs.steering import Asked, begin
from dlq.selection import Selection
for actor in ("anna", "bert"):
    asked = Asked(selection=Selection(cause="timeout"), ticked=["fresh"], reason="it works again", per_second={rate})
    print("run", begin(asked, actor).pk)
"""
RESUME = "from dlq.runs.steering import resume; resume({run}, 'anna')"
_ID = (
    "(lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint + n / 1000), 12, '0')"
    " || '7' || lpad(to_hex(n % 1000), 3, '0') || '8000' || lpad(to_hex(n), 12, '0'))::uuid"
)


def _fill(site: Site) -> None:
    """Dead letters of an outage. Of their category a person decides about unknown outcomes, so none is sent twice."""
    site.hold("careful")
    columns = (
        'id, client, reference, channel, receiver, receiver_hash, subject, message, html, "user", category, priority,'
        " status, listed, reason, generation, claims, attempts, uncertain_count, provider, provider_message_id,"
        " last_cause, last_error, topic, trace_id, accepted_at, settled_at"
    )
    site.platform.sql(
        f"INSERT INTO notifications_notification ({columns})"
        f" SELECT {_ID}, 'main', '', 'SMS', '+1555' || lpad(n::text, 7, '0'), 'hash' || n, '', 'old ' || n, '', '',"
        " 'careful', 'transactional', 'dead', 'dead', '', 0, 1, 6, 0, 'twilio', '', 'timeout', '', '', '',"
        f" now() - interval '1 hour', now() FROM generate_series(1, {LETTERS}) AS n"
    )
    site.platform.sql(
        "INSERT INTO dlq_deadletter (notification_id, state, channel, cause, error, attempts, topic, deaths, repeats,"
        ' discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, died_at, changed_at) SELECT id, 'open', 'SMS', 'timeout', '', 6, '', 1, 1, '', provider,"
        " client, category, '', receiver_hash, false, '', '', now(), now() FROM notifications_notification"
    )
    rows = site.platform.sql("SELECT id, message FROM notifications_notification")
    site.accepted |= {row["id"]: row["message"] for row in rows}


def _shell(site: Site, code: str) -> None:
    shell = site.platform.start("staff", [sys.executable, "manage.py", "shell", "-c", code])
    assert shell.wait() == 0, shell.output


def _runs(site: Site) -> list[dict[str, object]]:
    return site.platform.sql("SELECT id, state, ended_at, taken, sent, died_again, why_paused FROM dlq_run ORDER BY id")


def _ended(site: Site) -> bool:
    """Goes on as a person would where a run paused itself, for many were held after a kill."""
    for run in _runs(site):
        if run["state"] == "paused":
            _shell(site, RESUME.format(run=run["id"]))
    return all(run["ended_at"] is not None for run in _runs(site))


@pytest.mark.fault(36)
@pytest.mark.timeout(DEADLINE + 240)
def test_a_run_whose_senders_are_killed_ten_times_sends_each_letter_once(site: Site) -> None:
    chance = random.Random(SEED)
    site.platform.environment["DESK_APPROVAL_ABOVE"] = "0"
    site.providers.twilio.answer(delay=0.02)
    _fill(site)
    _shell(site, BEGIN.format(rate=50 if LETTERS <= 1000 else None))
    senders = [_sender(site), _sender(site)]
    for target in sorted(chance.sample(range(1, LETTERS * 3 // 4), KILLS)):
        wait_until(partial(_took, site, target), deadline=DEADLINE, what=f"the provider took {target}, seed {SEED}")
        victim = chance.randrange(2)
        senders[victim].kill()
        senders[victim] = _sender(site)
    site.struck()
    wait_until(lambda: _ended(site), deadline=DEADLINE, what=f"the runs end, seed {SEED}; they are {_runs(site)}")
    site.wait_until_settled(DEADLINE)
    _check(site)


def _took(site: Site, target: int) -> bool:
    return site.took() >= target or _ended(site)


def _sender(site: Site) -> Process:
    return site.platform.start_sender("--channels", "SMS")


def _check(site: Site) -> None:
    """Each letter was taken by one run, and is sent once or open; each that is sent is resolved."""
    assert max(site.providers.texts().values()) == 1, SEED
    stands = site.platform.sql(
        "SELECT n.status, l.state, n.generation, count(*) FROM dlq_deadletter l"
        " JOIN notifications_notification n ON n.id = l.notification_id GROUP BY 1, 2, 3"
    )
    found = Counter({(row["status"], row["state"], row["generation"]): row["count"] for row in stands})
    assert set(found) <= {("sent", "resolved", 1), ("held", "open", 1)}, (found, SEED)
    runs = _runs(site)
    assert sum(int(str(run["taken"])) for run in runs) == LETTERS, (runs, SEED)
    events = site.platform.sql(
        "SELECT count(*), count(DISTINCT notification_id) AS ids FROM dlq_deadletterevent WHERE event = 'replayed'"
    )
    assert events[0] == {"count": LETTERS, "ids": LETTERS}
    site.balance()
