"""What every benchmark is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.services import Services


@dataclass
class Bench:
    """`size` scales a count for smoke tests; `keep` saves points for the plots."""

    services: Services
    directory: Path
    scale: float = 1.0
    full: bool = False

    def size(self, count: int, least: int = 200) -> int:
        return max(int(count * self.scale), least)

    def seconds(self, seconds: float) -> float:
        return max(seconds * self.scale, 1.0)

    def times(self, rounds: int) -> int:
        return rounds if self.scale >= 1 else 1

    def keep(self, name: str, points: Sequence[Mapping[str, Any]]) -> None:
        (self.directory / f"{name}.points.json").write_text(json.dumps(list(points)))
