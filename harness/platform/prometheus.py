"""A private Prometheus with the shipped configuration and rules, which scrapes the processes of a platform."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import yaml

from harness.platform.web import request
from harness.services.process import ROOT, Process, free_ports
from harness.services.waiting import wait_until

MONITORING = ROOT / "deploy" / "monitoring"
EVERY = "1s"  # instead of 15 s


def missing_program() -> str | None:
    """Returns what a test run lacks for Prometheus, or None."""
    return None if shutil.which("prometheus") else "prometheus"


class Prometheus:
    """Scrapes these ports of 127.0.0.1 with this API key, from the beginning of the `with` to its end."""

    def __init__(self, ports: Sequence[int], api_key: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ntf-prometheus-"))
        (self.port,) = free_ports(1)
        self._count = len(ports)
        targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        (self.directory / "targets.yml").write_text(yaml.safe_dump(targets))
        (self.directory / "api-key").write_text(api_key)
        (self.directory / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text())
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        config["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), EVERY)
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        options = {
            "config.file": self.directory / "prometheus.yml",
            "storage.tsdb.path": self.directory / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        command = [str(shutil.which("prometheus")), *(f"--{name}={value}" for name, value in options.items())]
        self._process = Process("prometheus", command, log=self.directory / "log")

    def __enter__(self) -> Self:
        wait_until(self._scrapes, deadline=60, what="Prometheus has scraped every process")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Returns the series of an instant query: labels and value. Raises AssertionError where it is refused."""
        answer = request(self.port, "GET", f"/api/v1/query?{urlencode({'query': expression})}")
        assert answer.status == 200, f"{expression}: {answer.body!r}"
        data: dict[str, Any] = json.loads(answer.body)["data"]
        found = [data] if data["resultType"] == "scalar" else data["result"]
        return [(series.get("metric", {}), float(series["value"][1])) for series in found]

    def sum(self, selector: str) -> float:
        """Returns the sum over all series of a selector; 0.0 where there is none."""
        return sum(value for _, value in self.query(selector))

    def _scrapes(self) -> bool:
        assert self._process.running, self._process.output
        try:
            return self.sum('up{job="notifications"}') == self._count
        except (OSError, HTTPException, AssertionError):  # it is loading still
            return False
