"""The alerts and the dashboards speak of metrics there are, and each alert fires when it should and leads on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest

from harness.platform import Platform
from harness.services.process import ROOT
from project import metrics

MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
CASES = (MONITORING / "alerts.test.yml", MONITORING / "promises.test.yml")
NAME = re.compile(r"\bnotifications_\w+")


def exposed() -> set[str]:
    """Every sample name that a metric of ours can expose."""
    assert metrics.__doc__
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    families = [family for family in REGISTRY.collect() if family.name.startswith("notifications_")]
    return {family.name + suffix for family in families for suffix in suffixes[family.type]}


def promtool() -> str:
    """Prometheus' own tool."""
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs promtool (Prometheus), which CI must have")
        pytest.skip("needs promtool (Prometheus)")
    return found


def check(*command: str, given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def named(file: Path) -> set[str]:
    return set(NAME.findall(file.read_text()))


def test_the_metrics_keep_to_prometheus_conventions() -> None:
    """Its own linter: base units, names by type, a help text."""
    check(promtool(), "check", "metrics", given=generate_latest().decode())


def test_no_label_has_a_value_that_somebody_outside_chooses() -> None:
    """All of these are of closed lists, of settings, or names that staff paused."""
    labels = {
        label
        for family in REGISTRY.collect()
        if family.name.startswith("notifications_")
        for sample in family.samples
        for label in sample.labels
    }
    closed = {"call", "code", "channel", "provider", "priority", "outcome", "cause", "reason", "origin", "type"}
    assert labels <= closed | {"topic", "kind", "name", "state", "le", "rule"}


def test_alerts_and_dashboards_name_only_metrics_there_are() -> None:
    for file in (MONITORING / "alerts.yml", *DASHBOARDS):
        assert named(file)
        assert named(file) <= exposed()


def test_the_dashboards_are_four_that_lead_to_each_other() -> None:
    read = {file.stem: json.loads(file.read_text()) for file in DASHBOARDS}
    assert set(read) == {"overview", "channel", "letters", "kafka-and-database"}
    assert len({dashboard["uid"] for dashboard in read.values()}) == len(read)
    for name, dashboard in read.items():
        assert {link["tags"][0] for link in dashboard["links"]} == set(dashboard["tags"])
        variables = {variable["name"] for variable in dashboard["templating"]["list"]}
        assert set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) == variables, name
        assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in dashboard["panels"])
        places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
        assert len(set(places)) == len(places)


def test_the_shipped_configuration_is_good_and_scrapes_one_job(tmp_path: Path) -> None:
    for file in MONITORING.glob("*.yml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "api-key").write_text("ntf_x")
    check(promtool(), "check", "config", str(tmp_path / "prometheus.yml"))
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "notifications"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def looks_at(expression: str) -> set[str]:
    """The metrics in an expression, and those behind the recorded ones."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    behind = [looks_at(recorded[name]) for name in re.findall(r"notifications:[\w:]+", expression)]
    return {"up"} & set(re.findall(r"\w+", expression)) | set(NAME.findall(expression)).union(*behind)


def test_the_alerts_fire_when_they_should() -> None:
    """Prometheus' own evaluation of the rules, on made-up figures."""
    check(promtool(), "test", "rules", *map(str, CASES))


def test_every_alert_is_expected_in_one_case_and_not_in_another() -> None:
    """A case without the figures that the alert looks at does not show that it is silent."""
    fires, silent = set(), set()
    for case in (case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]):
        shown = {series["series"].partition("{")[0] for series in case["input_series"]}
        for look in case["alert_rule_test"]:
            name = look["alertname"]
            if look.get("exp_alerts"):
                fires.add(name)
            elif looks_at(alerts()[name]["expr"]) <= shown:
                silent.add(name)
    assert (fires, silent) == (set(alerts()), set(alerts()))


@pytest.mark.parametrize("name", alerts())
def test_every_alert_leads_to_its_page(name: str) -> None:
    """Symptom, meaning, the first three commands, and where to go on."""
    annotations = alerts()[name]["annotations"]
    assert annotations["summary"]
    assert annotations["runbook_url"] == f"docs/alerts.md#{name.lower()}"
    _, _, page = (ROOT / "docs" / "alerts.md").read_text().partition(f"\n## {name}\n")
    page = page.partition("\n## ")[0]
    assert re.findall(r"^\*\*(\w+)\*\*: \S", page, re.MULTILINE) == ["Symptom", "Meaning", "Then"]
    (commands,) = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(commands.splitlines()) == 3


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
