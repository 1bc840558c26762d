"""The fakes as processes of their own, and what tests may ask of them."""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.fakes.slack import SlackFake
from harness.services.process import ROOT
from notifications.channels.outcomes import SendError
from notifications.channels.transport.blocking import BlockingHttp


@contextmanager
def process(name: str, *arguments: str) -> Iterator[str]:
    """Yields the URL of the fake, which has to end by itself at a signal."""
    command = [sys.executable, "-m", f"harness.fakes.{name}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            yield running.stdout.readline().strip()
            running.terminate()
            assert running.wait(20) == 0
        finally:
            running.kill()


def logged(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_slack_as_a_process(tmp_path: Path) -> None:
    log = tmp_path / "accepted.jsonl"
    with process("slack", "--log", str(log), "--answer", '*={"status": 500, "times": 1}') as url:
        http = BlockingHttp(5)
        assert [http.post(f"{url}/services/x", b'{"text": "n1"}', {}).status for _ in range(2)] == [500, 200]
        assert [(entry["receiver"], entry["text"]) for entry in logged(log)] == [(f"{url}/services/x", "n1")]


def test_smtp_as_a_process(tmp_path: Path) -> None:
    log = tmp_path / "accepted.jsonl"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "a@example.com", "b@example.com", "<n2@example.com>"
    mail.set_content("Hello")
    with process("smtp", "--log", str(log)) as url, smtplib.SMTP("127.0.0.1", urlsplit(url).port or 0) as smtp:
        smtp.send_message(mail)
        assert [(entry["receiver"], entry["id"]) for entry in logged(log)] == [("b@example.com", "n2")]


@pytest.mark.parametrize("name", ["twilio", "postmark"])
def test_the_others_start_and_end(name: str) -> None:
    with process(name) as url:
        assert BlockingHttp(5).post(url, b"{}", {}).status == 401


def test_a_receiver_fails_so_often_and_then_is_fine() -> None:
    with SlackFake() as slack:
        http, url = BlockingHttp(5), slack.webhook("x")
        slack.answer(url, status=500, times=2)
        assert [http.post(url, b'{"text": ""}', {}).status for _ in range(3)] == [500, 500, 200]


def test_one_receiver_is_mended_alone() -> None:
    with SlackFake() as slack:
        http, one, other = BlockingHttp(5), slack.webhook("one"), slack.webhook("other")
        slack.answer(one, status=500)
        slack.answer(other, status=503)
        slack.mend(one)
        assert [http.post(url, b'{"text": ""}', {}).status for url in (one, other)] == [200, 503]
        slack.mend()
        assert http.post(other, b'{"text": ""}', {}).status == 200


def test_a_delay_holds_one_receiver_and_not_the_others() -> None:
    with SlackFake() as slack:
        slack.answer(slack.webhook("slow"), delay=60)
        with pytest.raises(SendError):
            BlockingHttp(0.2).post(slack.webhook("slow"), b'{"text": ""}', {})
        assert BlockingHttp(5).post(slack.webhook("fast"), b'{"text": ""}', {}).status == 200
        assert len(slack.accepted) == 1


def test_waiting_for_more_than_comes_says_how_many_came() -> None:
    with SlackFake() as slack, pytest.raises(AssertionError, match="0 of 1 accepted"):
        slack.wait_for(1, deadline=0.01)


def test_what_was_accepted_knows_when() -> None:
    before = time.time()
    with SlackFake() as slack:
        BlockingHttp(5).post(slack.webhook("x"), b'{"text": ""}', {})
        assert before <= slack.wait_for(1)[0].at <= time.time()
