"""Fake providers on 127.0.0.1 that speak the real protocols. A test chooses their answers.

Each is a context manager running in a thread (`with SlackFake() as slack:`), or a process of its own
(`python -m harness.fakes.slack --port 9000 --log accepted.jsonl`).
"""

from __future__ import annotations
