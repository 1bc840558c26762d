"""E-mail over a mail server."""

from __future__ import annotations

from typing import Any

from harness.fakes.smtp import SmtpFake
from tests.notifications.channels.samples import Sample


def _settings(fake: SmtpFake) -> dict[str, Any]:
    return {
        "EMAIL_CONFIGURED": True,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": fake.port,
        "EMAIL_HOST_USER": "",
        "EMAIL_HOST_PASSWORD": "",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": False,
    }


SAMPLE = Sample("EMAIL", "smtp", "bob@example.com", SmtpFake, _settings, {"EMAIL_CONFIGURED": False})
