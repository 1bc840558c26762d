"""Production's settings with a provider that answers at once."""

from __future__ import annotations

from benchmarks.noop import LOG
from project.settings import *

CHANNELS = {
    "EMAIL": {
        "rules": "notifications.channels.email.rules.Email",
        "route": ["benchmarks.noop.Timed" if LOG else "benchmarks.noop.Noop"],
    }
}
