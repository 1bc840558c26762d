"""One file for each provider: what the contract test needs to send by it. A new one is a new file here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
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
    for module in iter_modules(__path__, f"{__name__}."):
        yield import_module(module.name).SAMPLE
