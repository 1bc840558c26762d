"""Variables as they are read: as they stand, and refused in one sentence that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from project import environment as env


def test_a_dollar_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "$HOME")
    monkeypatch.setenv("ALLOWED_HOSTS", "$HOME, b,,")
    assert env.text("KAFKA_PASSWORD") == "$HOME"
    assert env.words("ALLOWED_HOSTS", []) == ["$HOME", "b"]


def test_an_empty_list_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "")
    assert env.words("ALLOWED_HOSTS", ["a"]) == ["a"]


@pytest.mark.parametrize("value", ["Nowhere/Else", "../etc", ""])
def test_a_zone_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TIME_ZONE", value)
    with pytest.raises(SystemExit, match="TIME_ZONE"):
        env.time_zone("TIME_ZONE", "UTC")


@pytest.mark.parametrize(
    "value", ["https://[/", "https://h:99999/x/", "http://example.com/x/", "https://example.com/x", "https:///x/", "x"]
)
def test_a_prefix_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_PREFIXES", value)
    with pytest.raises(SystemExit, match="SLACK_WEBHOOK_PREFIXES"):
        env.prefixes("SLACK_WEBHOOK_PREFIXES", "https://hooks.slack.com/services/")


def test_a_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_CA_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(SystemExit, match="KAFKA_CA_FILE"):
        env.file("KAFKA_CA_FILE")
    (tmp_path / "ca.pem").touch()
    assert env.file("KAFKA_CA_FILE") == str(tmp_path / "ca.pem")


def test_a_database_that_vanishes_is_noticed_unless_the_url_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://a:b@db/c?connect_timeout=9")
    options = env.database("DATABASE_URL", "")["OPTIONS"]
    assert (options["connect_timeout"], options["keepalives_idle"]) == (9, 10)
