"""What a process loads at its start: a worker no page and no call, the web all of them."""

from __future__ import annotations

import subprocess
import sys

from django.contrib import admin
from django.core import checks
from django.core.checks import Tags
from django.urls import get_resolver

from harness.services.process import ROOT
from notifications.models import Notification

PAGES = ("dlq.admin", "notifications.admin", "users.access.admin", "users.people.admin", "notifications.api")
FOR_PAGES = ("drf_spectacular.utils", "qrcode", "rest_framework.views", "unfold.admin")
WORKER = """
import os, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
django.setup()
from project.management.commands import run_scheduler, run_sender
print(*(name for name in sys.modules if name.startswith(tuple(sys.argv[1:]))))
"""


def test_a_worker_loads_nothing_that_only_the_web_needs() -> None:
    command = [sys.executable, "-c", WORKER, *PAGES, *FOR_PAGES]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert loaded == []


def test_djangos_checks_find_nothing_wrong_with_the_pages() -> None:
    assert get_resolver().url_patterns  # which loads them
    assert admin.site.is_registered(Notification)
    assert checks.run_checks(tags=[Tags.admin]) == []
