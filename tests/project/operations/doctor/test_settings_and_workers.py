"""Faults of settings, of the machine, and of who is alive."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from notifications.ledger.pauses.targets import PLATFORM, Target
from notifications.ledger.pauses.verbs import pause
from notifications.messages.words import PauseKind, WorkerKind
from notifications.models import WorkerHeartbeat
from project.operations.doctor import of_settings, of_workers
from users.access.models import ApiKey

KEY = "k" * 60
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("secrets", {"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": [KEY], "HASH_KEY": "h"}, "SECRET_KEY is among its own"),
    ("secrets", {"HASH_KEY": KEY, "HASH_KEY_FALLBACKS": (KEY,)}, "HASH_KEY is among its own"),
    ("secrets", {"HASH_KEY": "", "SECRET_KEY_FALLBACKS": ["former"]}, "set HASH_KEY to the former SECRET_KEY"),
    ("hosts", {"EMBEDDED": False, "ALLOWED_HOSTS": ["localhost"]}, "set ALLOWED_HOSTS to its public names"),
    (
        "sender_address",
        {"EMAIL_CONFIGURED": True, "DEFAULT_FROM_EMAIL": "Shop <a@localhost>"},
        "set DEFAULT_FROM_EMAIL",
    ),
]


@pytest.mark.parametrize(("check", "changed", "remedy"), FAULTS, ids=[remedy for *_, remedy in FAULTS])
def test_a_setting_that_does_not_fit(settings: Settings, check: str, changed: dict[str, Any], remedy: str) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    (problem,) = getattr(of_settings, check)()
    assert remedy in problem
    assert KEY not in problem


def test_another_library_than_was_tested_with(settings: Settings, tmp_path: Path) -> None:
    assert list(of_settings.libraries()) == []
    (tmp_path / "requirements.lock").write_text("django==1.0 \\\n    --hash=sha256:0\nnot-there[extra]==2.0 \\\n")
    settings.BASE_DIR = tmp_path
    (problem,) = of_settings.libraries()
    assert "django is " in problem
    assert "not-there is missing instead of 2.0" in problem


def test_hardly_any_space_for_the_database(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    assert list(of_settings.disk()) == []
    monkeypatch.setattr(of_settings, "LEAST_FREE", 2**60)
    (problem,) = of_settings.disk()
    assert "free some" in problem


def beats(kind: WorkerKind, channels: str = "", seconds_ago: int = 0) -> None:
    seen_at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.create(
        worker=f"{kind}{seconds_ago}", kind=kind, channels=channels, started_at=seen_at, seen_at=seen_at
    )


@pytest.mark.sqlite
@pytest.mark.django_db
def test_what_is_paused_by_hand() -> None:
    assert list(of_workers.pauses()) == []
    pause(Target(PauseKind.CHANNEL, "EMAIL"), actor="anna", reason="wrong\nprices")
    pause(PLATFORM, actor="ben", reason="a new disk", lasts=timedelta(hours=1))
    found = sorted(of_workers.pauses())
    assert "E-mail is paused by anna" in found[0]
    assert found[0].endswith("(“wrong prices”). Once that is no longer so: manage.py resume EMAIL --reason …")
    assert "read-only for maintenance by ben" in found[1]
    assert found[1].endswith("manage.py read_only off --reason …")


@pytest.mark.sqlite
@pytest.mark.django_db
def test_nobody_alive_or_not_for_every_channel(settings: Settings) -> None:
    beats(WorkerKind.SENDER, "EMAIL,SLACK,SMS", seconds_ago=90)
    assert [problem[:18] for problem in (*of_workers.senders(), *of_workers.scheduler())] == [
        "No sender is alive",
        "No scheduler is al",
    ]
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = "AC1", "secret", "+15005550006"
    beats(WorkerKind.SENDER, "EMAIL,SLACK")
    beats(WorkerKind.SCHEDULER)
    assert list(of_workers.senders()) == [
        "No sender of SMS is alive. Start one with: manage.py run_sender --channels SMS."
    ]
    assert list(of_workers.scheduler()) == []


@pytest.mark.sqlite
@pytest.mark.django_db
def test_keys_that_nobody_can_use_or_that_expire(settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = True
    revoked, _ = ApiKey.issue(name="a", client="shop", scopes=["send"])
    revoked.revoke()
    (problem,) = of_workers.api_keys()
    assert problem.startswith("There is none that can be used")
    soon, key = ApiKey.issue(name="b", client="shop", scopes=["send"], expires_at=timezone.now() + timedelta(days=3))
    (problem,) = of_workers.api_keys()
    assert problem.startswith(f"The key {soon.prefix} of shop expires at ")
    assert key not in problem
