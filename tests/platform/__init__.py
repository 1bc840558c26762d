"""The platform as its operators run it: every part the very command of docs/reference.md, as a process."""

from __future__ import annotations

from tests.platform.platform import Platform
from tests.services.process import Process
from tests.services.waiting import wait_until

__all__ = ["Platform", "Process", "wait_until"]
