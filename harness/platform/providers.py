"""Fakes of the three providers, and the settings that point a platform at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.fakes.fake import Accepted
from harness.fakes.slack import SlackFake
from harness.fakes.smtp import SmtpFake
from harness.fakes.twilio import ACCOUNT, TOKEN, TwilioFake

CHANNELS = ("EMAIL", "SLACK", "SMS")


@dataclass(frozen=True)
class Providers:
    smtp: SmtpFake
    slack: SlackFake
    twilio: TwilioFake

    @property
    def environment(self) -> dict[str, str]:
        return {
            "EMAIL_URL": self.smtp.url,
            "SLACK_WEBHOOK_PREFIXES": self.slack.webhook_prefix,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": "+15005550006",
            "TWILIO_BASE_URL": self.twilio.url,
        }

    def receiver(self, channel: str, number: int) -> str:
        """Returns one of many receivers of a channel."""
        if channel == "EMAIL":
            return f"user{number}@example.com"
        return self.slack.webhook(f"T1/B1/{number}") if channel == "SLACK" else f"+1555{number:07d}"

    @property
    def accepted(self) -> list[Accepted]:
        """What any provider accepted."""
        return [*self.smtp.accepted, *self.slack.accepted, *self.twilio.accepted]

    def texts(self) -> Counter[str]:
        """Returns how often each text was accepted. Tests give every notification its own text."""
        return Counter(entry.text for entry in self.accepted)


@contextmanager
def open_providers() -> Iterator[Providers]:
    with SmtpFake() as smtp, SlackFake() as slack, TwilioFake() as twilio:
        yield Providers(smtp, slack, twilio)
