"""Slack with a bot token."""

from __future__ import annotations

from typing import Any

from harness.fakes.slack import SlackFake
from tests.notifications.channels.samples import Sample


def _settings(fake: SlackFake) -> dict[str, Any]:
    return {"SLACK_CONFIGURED": True, "SLACK_BOT_TOKEN": fake.token, "SLACK_BASE_URL": fake.api_url}


UNSET = {"SLACK_CONFIGURED": False, "SLACK_BOT_TOKEN": ""}
SAMPLE = Sample("SLACK", "slack", "C024BE91L", SlackFake, _settings, UNSET)
