"""What the contract test needs to send by a provider. Each has a file `sample_<provider>.py` beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.fakes.fake import Fake


@dataclass(frozen=True)
class Sample:
    """A provider of a channel: a receiver that it takes, its fake, and the settings that lead there."""

    channel: str
    provider: str  # its name
    receiver: str
    fake: Callable[[], Fake]
    settings: Callable[[Any], dict[str, Any]]  # of the fake
    unset: dict[str, Any]  # the settings of somebody who does not use it


def samples() -> Iterator[Sample]:
    """All of them, in the order of their files' names."""
    for file in sorted(Path(__file__).parent.glob("sample_*.py")):
        yield import_module(f"{__package__}.{file.stem}").SAMPLE
