"""Every expression of the dashboards and rules, and the table of docs/monitoring.md that says what each returned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from harness.platform.prometheus import MONITORING, Prometheus
from harness.services.process import ROOT

PAGE = ROOT / "docs" / "monitoring.md"
BEGIN, END = "<!-- expressions: written by the test -->", "<!-- expressions: end -->"
SELECTOR = re.compile(r"\b(?:up|notifications[_:][\w:]+)(?:\{[^}]*\})?")
OWN_PREFIX = re.compile(r"\btest_\w+?\.")  # of the topics of one run


class Expression(NamedTuple):
    where: str
    title: str
    text: str
    is_alert: bool = False


def expressions() -> Iterator[Expression]:
    """Gives those of every panel, of every recording rule, and of every alert."""
    for file in sorted((MONITORING / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield Expression(file.stem, panel["title"], target["expr"])
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            name = rule.get("alert") or rule["record"]
            yield Expression("alerts", name, rule["expr"], "alert" in rule)


def returned(prometheus: Prometheus, expression: Expression) -> str:
    """Returns in words what the expression returned, or "" where it returned nothing and nobody knows why.

    An alert returns nothing while all is well. Then each figure that it looks at must be there, or, of those that it
    leaves something out for, the metric. "$channel" is EMAIL.
    """
    found = prometheus.query(expression.text.replace("$channel", "EMAIL"))
    if found:
        return _in_words(found)
    if not expression.is_alert:
        return ""
    looked_at, _, left_out = expression.text.partition(" unless ")
    figures = {selector: prometheus.query(selector) for selector in SELECTOR.findall(expression.text)}
    needed = [*SELECTOR.findall(looked_at), *(selector.partition("{")[0] for selector in SELECTOR.findall(left_out))]
    if not all(prometheus.query(selector) for selector in needed):
        return ""
    counts = ", ".join(f"`{selector}` {_in_words(found) or 'nothing'}" for selector, found in figures.items())
    return f"nothing, so it is silent; it looks at {counts}"


def _in_words(found: list[tuple[Mapping[str, str], float]]) -> str:
    if not found:
        return ""
    labels, value = max(found, key=lambda series: (series[1], sorted(series[0].items())))
    telling = [name for name in sorted(labels) if name not in ("__name__", "instance", "job")]
    shown = ", ".join(f"{name}={OWN_PREFIX.sub('notifications.', labels[name])}" for name in telling)
    example = f"{value:.3g}" + (f" ({shown})" if shown else "")
    return example if len(found) == 1 else f"{len(found)} series, the highest {example}"


def listed() -> list[tuple[str, str]]:
    """Returns the title and the expression of each row of the table."""
    rows = re.findall(r"^\| \w[\w-]* \| (.+?) \| `(.+?)` \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    return [(title, expression.replace("\\|", "|")) for title, expression in rows]


def write(page: Path, rows: Mapping[Expression, str]) -> None:
    """Replaces what stands between the two marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = ["| in | panel, record or alert | expression | returned |", "|---|---|---|---|"]
    for expression, words in rows.items():
        cells = (expression.where, expression.title, f"`{expression.text}`", words)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    page.write_text("\n".join((before + BEGIN, "", *lines, "", END)) + after)
