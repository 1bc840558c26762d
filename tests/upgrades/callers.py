"""Callers who go on while a platform is upgraded, and the books of what they were promised."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import UUID

from harness.platform import Platform
from harness.platform.providers import CHANNELS, Providers
from harness.services.waiting import wait_until

PAUSE = 0.05  # seconds between two requests: a steady load, which no step of an upgrade waits for
MOST = 10_000
FAILING, UNKNOWN = 4, 7  # every so manieth number: one whose first text fails, and one that Twilio does not know


class Callers:
    """`accepted` maps the id of whatever was answered 202 to its text; `refused` lists all other answers."""

    def __init__(self, providers: Providers) -> None:
        self.accepted: dict[str, str] = {}
        self.refused: list[str] = []
        self._webs: list[Platform] = []
        self._providers = providers
        self._numbers = count(1)
        self._turn = threading.Lock()
        self._over = threading.Event()
        for number in range(0, MOST, FAILING):
            providers.twilio.answer(providers.receiver("SMS", number), status=500, code=20500, times=1)
        for number in range(0, MOST, UNKNOWN):
            providers.twilio.answer(providers.receiver("SMS", number), status=400, code=21211)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Somebody calls, all the while."""
        self._over.clear()
        thread = threading.Thread(target=self._call, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(60)

    def ask(self, *webs: Platform) -> None:
        """Asks these in turn from now on, as a load balancer does. Nobody waits for another one's answer any more."""
        with self._turn:
            self._webs = list(webs)

    def wait_for_more(self, more: int = 20) -> None:
        """Waits until the providers have taken so many more."""
        wanted = len(self._providers.accepted) + more
        wait_until(lambda: len(self._providers.accepted) >= wanted, deadline=120, what=f"{more} more are sent")

    def check_order(self, mails: int = 8) -> None:
        """Sends one receiver several mails, one after the other. AssertionError unless they arrive in order."""
        receiver = self._providers.receiver("EMAIL", MOST + next(self._numbers))
        texts = [f"mail {number} to {receiver}" for number in range(mails)]
        for text in texts:
            self._post("EMAIL", receiver, text)
        wait_until(lambda: len(self._mails(receiver)) >= mails, deadline=120, what=f"{receiver} has all")
        assert self._mails(receiver) == texts

    def _mails(self, receiver: str) -> list[str]:
        return [mail.text for mail in list(self._providers.smtp.accepted) if mail.receiver == receiver]

    def _call(self) -> None:
        while not self._over.wait(PAUSE):
            number = next(self._numbers)
            channel = CHANNELS[number % len(CHANNELS)]
            self._post(channel, self._providers.receiver(channel, number), f"{channel} number {number}")

    def _post(self, channel: str, receiver: str, text: str) -> None:
        with self._turn:
            web = self._webs[len(self.accepted) % len(self._webs)]
            answer = web.post({"type": channel, "receiver": receiver, "message": text})
            if answer.status == 202:
                self.accepted[str(UUID(answer.json()["id"]))] = text
            else:
                self.refused.append(f"{answer.status}: {answer.body!r}")
