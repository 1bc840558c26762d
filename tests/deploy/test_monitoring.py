"""The alerts and the dashboard speak of metrics there are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from harness.platform import Platform
from harness.services.process import ROOT
from project import metrics

MONITORING = ROOT / "deploy" / "monitoring"
NAME = re.compile(r"\bnotifications_\w+")


def exposed() -> set[str]:
    """Every sample name that a metric of ours can expose."""
    assert metrics.__doc__
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    families = [family for family in REGISTRY.collect() if family.name.startswith("notifications_")]
    return {family.name + suffix for family in families for suffix in suffixes[family.type]}


def named(file: Path) -> set[str]:
    return set(NAME.findall(file.read_text()))


def test_alerts_and_dashboard_name_only_metrics_there_are() -> None:
    for file in (MONITORING / "alerts.yml", MONITORING / "dashboard.json"):
        assert named(file)
        assert named(file) <= exposed()


def test_the_alerts_fire_when_they_should() -> None:
    """Prometheus' own evaluation of the rules, on made-up figures."""
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs promtool (Prometheus), which CI must have")
        pytest.skip("needs promtool (Prometheus)")
    command = [promtool, "test", "rules", str(MONITORING / "alerts.test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_counter_is_exposed_from_the_start(embedded: Platform) -> None:
    """One that is born with its first event has no increase, so that no alert sees the first."""
    shown = embedded.manage(
        "shell", "--verbosity", "0", "-c", "import prometheus_client as p; print(p.generate_latest().decode())"
    )
    for sample in (
        'notifications_unclaimable_records_total{cause="undecodable"} 0.0',
        'notifications_dead_total{cause="refused-by-kafka",channel="EMAIL"} 0.0',
        'notifications_published_total{origin="outbox"} 0.0',
        'notifications_accept_to_provider_seconds_count{channel="SLACK",priority="bulk"} 0.0',
    ):
        assert sample in shown.splitlines()


def test_every_alert_says_what_happened_and_has_a_place_in_the_runbooks() -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    runbooks = (ROOT / "docs" / "runbooks.md").read_text()
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["alert"] in runbooks
