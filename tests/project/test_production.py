"""Outside the embedded default an unsafe setting ends the start, and no error page shows a setting anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from harness.services.process import ROOT

RANDOM = "for-tests-only-" * 4
SAFE = {"SECRET_KEY": RANDOM, "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def start(directory: Path, **variables: str) -> tuple[int, list[str]]:
    """A command with these settings: its exit code, and the lines it says."""
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(directory)} | variables
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "true"),
        ("SECRET_KEY", RANDOM[:49]),
        ("SECRET_KEY", "abcd" * 20),
        ("SECRET_KEY", f"django-insecure-{RANDOM}"),
        ("SECRET_KEY_FALLBACKS", f"{RANDOM},short"),
        ("HASH_KEY", RANDOM[:31]),
        ("HASH_KEY", "abcd" * 20),
        ("HASH_KEY_FALLBACKS", f"{RANDOM},short"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "notifications.example.com, *"),
        ("EMAIL_URL", "smtp://app:hunter2@mail.example.com:587"),
        ("EMBEDDED", "true"),
    ],
)
def test_what_is_unsafe_is_refused_in_one_sentence(tmp_path: Path, variable: str, value: str) -> None:
    code, lines = start(tmp_path, **SAFE | {variable: value})
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith(f"{variable} ")
    assert "hunter2" not in lines[0]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SECRET_KEY_FALLBACKS": f"{RANDOM}1,{RANDOM}2"},
        {"EMAIL_URL": "smtp+tls://app:hunter2@mail.example.com:587"},
        {"EMAIL_URL": "smtp+ssl://app:hunter2@mail.example.com:465"},
        {"EMAIL_URL": "smtp://mail.example.com:25"},
        {"EMAIL_URL": "smtp://app:hunter2@127.0.0.1:25"},
        {"EMAIL_URL": "smtp://app:hunter2@[::1]:25"},
        {"EMBEDDED": "false"},
        {"KAFKA_BOOTSTRAP_SERVERS": ""},
        {"DATABASE_URL": ""},
    ],
)
def test_what_is_safe_starts(tmp_path: Path, variables: dict[str, str]) -> None:
    code, lines = start(tmp_path, **SAFE | variables)
    assert code == 0, lines


def test_nothing_is_kept_in_a_directory_of_ours(tmp_path: Path) -> None:
    start(tmp_path / "var", **SAFE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variables", [{"DEBUG": "true"}, {"ALLOWED_HOSTS": "*"}, {"EMBEDDED": "true"}])
def test_a_first_look_may_do_as_it_likes(tmp_path: Path, variables: dict[str, str]) -> None:
    code, lines = start(tmp_path, **variables)
    assert code == 0, lines


def test_texts_cannot_be_kept_for_longer_than_their_rows(tmp_path: Path) -> None:
    code, lines = start(tmp_path, RETENTION_DAYS="20", RETENTION_TEXT_DAYS="21")
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith("RETENTION_TEXT_DAYS must be at most RETENTION_DAYS (20)")


@pytest.mark.parametrize(("days", "texts"), [("", 30), ("20", 20), ("0", 0)])
def test_texts_are_by_default_kept_for_thirty_days_or_as_long_as_their_rows(
    tmp_path: Path, days: str, texts: int
) -> None:
    """Where rows are kept for ever (0), so are texts (0)."""
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "RETENTION_DAYS": days}
    command = [sys.executable, "-c", "from project import settings; print(settings.RETENTION_TEXT_DAYS)"]
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert int(found.stdout) == texts


@pytest.mark.parametrize("days", [("", ""), ("20", ""), ("0", "3650"), ("20", "20"), ("0", "0"), ("20", "0")])
def test_retention_takes_what_makes_sense(tmp_path: Path, days: tuple[str, str]) -> None:
    code, lines = start(tmp_path, RETENTION_DAYS=days[0], RETENTION_TEXT_DAYS=days[1])
    assert code == 0, lines


LOOK = """
import django; django.setup()
from django.conf import settings
from django.test import Client
answer = Client().get("/admin/login/", headers={"host": "localhost", "x-forwarded-proto": "https"})
print(answer.headers.get("Strict-Transport-Security"), bool(answer.cookies["csrftoken"]["secure"]))
print(settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE)
"""


@pytest.mark.parametrize(
    ("variables", "lines"),
    [
        (SAFE, ["max-age=31536000 True", "True True Lax"]),
        ({}, ["None False", "False True Lax"]),  # plain HTTP on loopback
    ],
)
def test_browsers_are_told_to_speak_tls_and_to_show_cookies_to_nobody(
    tmp_path: Path, variables: dict[str, str], lines: list[str]
) -> None:
    ours = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(
        command, env=ours | variables, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == lines, done.stderr[-2_000:]


def test_a_bad_host_sees_no_setting_though_debug_is_on(db: None, settings: Settings) -> None:
    settings.DEBUG = True
    settings.A_URL = "postgres://app:hunter2@db.example.com/name"
    browser = Client(raise_request_exception=False, headers={"host": "evil.example"})
    answer = browser.get("/admin/login/", DATABASE_URL=settings.A_URL)
    assert answer.status_code == 400
    assert b"hunter2" not in answer.content
    assert settings.SECRET_KEY.encode() not in answer.content
