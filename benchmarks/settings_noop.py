"""Production's settings with a provider that answers at once."""

from __future__ import annotations

import os

from benchmarks.noop import LOG
from project.settings import *

PROVIDER = "Timed" if LOG else os.environ["BENCH_NOOP"]
CHANNELS = {"EMAIL": {"rules": "notifications.channels.email.rules.Email", "route": [f"benchmarks.noop.{PROVIDER}"]}}
