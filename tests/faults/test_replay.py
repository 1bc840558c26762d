"""Two people at one dead letter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import Site

REPLAY = """
import pathlib, time
from django.db import connection
from dlq.verbs import replay
connection.ensure_connection()
print("ready", flush=True)
while not pathlib.Path({go!r}).exists():
    time.sleep(0.0001)
result = replay([{letter}], {actor!r})
print("done:", result.done)
print("skipped:", *result.skipped)
"""


@pytest.mark.fault(17)
def test_of_two_people_who_replay_one_wins_and_the_other_is_told(site: Site, tmp_path: Path) -> None:
    site.providers.twilio.answer(status=400, code=21211)
    site.platform.start_web()
    site.platform.start_sender("--channels", "SMS")
    (id,) = site.send(1, "SMS")
    site.platform.wait_for(dead=1)
    site.providers.twilio.mend()
    (letter,) = (row["id"] for row in site.platform.sql("SELECT id FROM dlq_deadletter"))

    people = ("anna", "bert")
    shells = [_shell(site, actor, letter, tmp_path / "go") for actor in people]
    wait_until(lambda: all("ready" in shell.output for shell in shells), what="both are about to")
    (tmp_path / "go").touch()
    assert [shell.wait() for shell in shells] == [0, 0]
    winners = [actor for actor, shell in zip(people, shells, strict=True) if f"done: [{letter}]" in shell.output]
    assert len(winners) == 1
    loser = shells[1 - people.index(winners[0])]
    assert "done: []" in loser.output
    assert f"Dead letter {letter} was already replayed by {winners[0]}" in loser.output

    site.struck()
    site.platform.wait_for(sent=1)
    assert site.ids("generation = 1 AND claims = 2") == {id}
    site.wait_until_settled()
    site.balance()


def _shell(site: Site, actor: str, letter: int, go: Path) -> Process:
    code = REPLAY.format(go=str(go), letter=letter, actor=actor)
    return site.platform.start(actor, [sys.executable, "manage.py", "shell", "-c", code])
