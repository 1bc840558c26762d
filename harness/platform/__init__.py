"""The platform as its operators run it: each part is a process with the command of docs/reference.md."""

from __future__ import annotations

from harness.platform.platform import Platform
from harness.services.process import Process
from harness.services.waiting import wait_until

__all__ = ["Platform", "Process", "wait_until"]
