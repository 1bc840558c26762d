"""The alerts and the dashboard speak of metrics there are."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client import REGISTRY

from notifications import metrics
from tests.services.process import ROOT

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


def test_every_alert_says_what_happened_and_has_a_place_in_the_runbooks() -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    runbooks = (ROOT / "docs" / "runbooks.md").read_text()
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["alert"] in runbooks
