"""docs/reference.md names what there is, and nothing else: settings, metrics, tables, words."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics import MetricWrapperBase

from harness.services.process import ROOT
from notifications.channels.outcomes import Cause
from notifications.messages.draft import BatchDraft
from notifications.messages.fields import LENGTHS, LONGEST_KEY
from notifications.messages.message import Message
from notifications.messages.words import Reason, Status, SuppressedFor
from project import metrics
from project.desk.rights import Right

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SETTINGS = (ROOT / "project" / "settings.py").read_text()
READ = re.compile(r"""env\.(?!refuse\b)(\w+)\(\s*["'](\w+)["']""")


def table(header: str) -> dict[str, list[str]]:
    """The rows of the table that begins with this header: first cell → the others; several names share a cell."""
    start = REFERENCE.index(f"\n| {header} | |\n" if f"\n| {header} | |\n" in REFERENCE else f"\n| {header} |")
    rows: dict[str, list[str]] = {}
    for line in REFERENCE[start + 1 :].splitlines()[2:]:
        if not line.startswith("|"):
            break
        first, *others = [cell.strip() for cell in line.strip("|").split("|")]
        rows |= dict.fromkeys(re.findall(r"`([^`]+)`", first), others)
    return rows


def read_variables() -> set[str]:
    return {f"{name}*" if reader == "prefixed" else name for reader, name in READ.findall(SETTINGS)}


def declared_metrics() -> dict[str, MetricWrapperBase]:
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            found[f"{family.name}_total" if isinstance(metric, Counter) else family.name] = metric
    return found


def test_every_variable_of_the_settings_is_in_the_table_and_the_reverse() -> None:
    assert set(table("variable")) == read_variables()


def test_settings_are_read_through_the_environment_module_alone() -> None:
    assert not re.search(r"os\.environ|getenv|environ\[", SETTINGS)
    assert len(re.findall(r"env\.(?!refuse|kept_secret)\w+\(", SETTINGS)) == len(READ.findall(SETTINGS))


def test_every_metric_is_in_the_table_and_the_reverse() -> None:
    assert set(table("metric")) == set(declared_metrics())


def test_the_labels_are_those_of_the_metrics() -> None:
    labels = {name: [label for label in cells[0].split(", ") if label] for name, cells in table("metric").items()}
    assert labels == {name: list(metric._labelnames) for name, metric in declared_metrics().items()}


def test_the_metrics_are_served_under_their_names() -> None:
    served = {family.name for family in REGISTRY.collect()}
    assert {name.removesuffix("_total") for name in table("metric")} <= served


def test_every_table_of_ours_is_named_and_the_reverse() -> None:
    ours = {
        model._meta.db_table
        for app in ("users", "notifications", "dlq")
        for model in apps.get_app_config(app).get_models()
    }
    assert set(table("table")) == ours


def test_every_field_of_a_request_is_in_the_table_with_its_limit() -> None:
    described = table("field")
    assert set(described) == set(BatchDraft.__struct_fields__)
    for name, limit in LENGTHS.items():
        assert name not in described or name in ("receiver", "user") or f"{limit} characters" in described[name][1], (
            name
        )
    for field in msgspec.structs.fields(BatchDraft):
        if isinstance(field.default, str) and field.default:
            assert described[field.name][0] == f"`{field.default}`"
    assert f"1 to {LONGEST_KEY} characters" in described["idempotency_key"][1]


def test_the_record_has_the_fields_that_are_named() -> None:
    (listed,) = re.findall(r"^The value is UTF-8 JSON: (.*?)\. ", REFERENCE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", listed)) == set(Message.__struct_fields__)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("status", Status),
        ("reason of `waiting`", Reason),
        ("reason of `suppressed`", SuppressedFor),
        ("cause", Cause),
    ],
)
def test_every_word_is_explained(header: str, words: type[StrEnum]) -> None:
    assert set(table(header)) == {word.value for word in words}


@pytest.mark.django_db
def test_every_right_is_in_the_table_with_its_words_and_its_first_group() -> None:
    groups = ("Viewer", "Agent", "Supervisor", "Administrator")
    given = {name: set(Group.objects.get(name=name).permissions.values_list("codename", flat=True)) for name in groups}
    expected = {
        right.codename: [
            right.in_words[0].lower() + right.in_words[1:],
            next(name for name in groups if right.codename in given[name]),
        ]
        for right in Right
    }
    assert table("right") == expected
