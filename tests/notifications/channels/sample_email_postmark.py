"""E-mail over one of anymail's providers."""

from __future__ import annotations

from typing import Any

from harness.fakes.postmark import PostmarkFake
from tests.notifications.channels.samples import Sample


def _settings(fake: PostmarkFake) -> dict[str, Any]:
    return {
        "EMAIL_CONFIGURED": True,
        "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
        "ANYMAIL": {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token},
    }


SAMPLE = Sample("EMAIL", "postmark", "bob@example.com", PostmarkFake, _settings, {"EMAIL_CONFIGURED": False})
