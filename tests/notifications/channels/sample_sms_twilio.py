"""SMS over Twilio."""

from __future__ import annotations

from typing import Any

from harness.fakes.twilio import TwilioFake
from tests.notifications.channels.samples import Sample


def _settings(fake: TwilioFake) -> dict[str, Any]:
    account = {"TWILIO_ACCOUNT_SID": fake.account, "TWILIO_AUTH_TOKEN": fake.token}
    return account | {"TWILIO_FROM": "+14155550100", "TWILIO_BASE_URL": fake.url}


UNSET = {"TWILIO_ACCOUNT_SID": "", "TWILIO_AUTH_TOKEN": "", "TWILIO_FROM": ""}
SAMPLE = Sample("SMS", "twilio", "+14155550123", TwilioFake, _settings, UNSET)
