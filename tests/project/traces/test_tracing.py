"""Spans cost nothing where nobody named a collector: nothing of OpenTelemetry is imported then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.services.process import ROOT
from project.traces.tracing import names_a_collector

URL = {"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("otel", "named"),
    [
        ({}, False),
        ({"SERVICE_NAME": "notifications"}, False),
        (URL, True),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (URL | {"TRACES_EXPORTER": "otlp"}, True),
        (URL | {"TRACES_EXPORTER": "none"}, False),
        (URL | {"SDK_DISABLED": "True"}, False),
    ],
)
def test_a_collector_is_named_by_the_standard_variables(otel: dict[str, str], named: bool) -> None:
    assert names_a_collector(otel) == named


def test_nothing_of_opentelemetry_is_imported_where_none_is_named() -> None:
    program = (
        "import django, sys; django.setup(); import dlq.letters, notifications.sending.sender; print(*sys.modules)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "VAR_DIR": "/dev/null/none",
    }
    environment |= {"DATABASE_URL": "postgres://a:b@127.0.0.1:1/none", "SECRET_KEY": "for-tests-only-" * 4}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert "notifications.sending.sender" in done.stdout.split()
    assert "opentelemetry" not in done.stdout
