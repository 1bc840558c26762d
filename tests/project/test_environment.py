"""Variables as they are read: as they stand, and refused in one sentence that names them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from inspect import isfunction
from pathlib import Path

import pytest

from harness.services.process import ROOT
from project import environment as env

URL = "DATABASE_URL"


def test_a_dollar_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "$HOME")
    monkeypatch.setenv("ALLOWED_HOSTS", "$HOME, b,,")
    assert env.text("KAFKA_PASSWORD") == "$HOME"
    assert env.words("ALLOWED_HOSTS", []) == ["$HOME", "b"]
    for secret in ("$", "a$b", r"\$HOME", r"a\$", r"\\$$x\n"):
        monkeypatch.setenv("KAFKA_PASSWORD", secret)
        assert env.text("KAFKA_PASSWORD") == secret


TEXTS = Path(__file__).parents[2] / "dlq" / "story" / "answers"
READERS: dict[str, Callable[[str], object]] = {
    "text": lambda name: env.text(name, "a"),
    "boolean": lambda name: env.boolean(name, default=True),
    "whole": lambda name: env.whole(name, 7),
    "seconds": lambda name: env.seconds(name, 1.5),
    "words": lambda name: env.words(name, ["a"]),
    "choice": lambda name: env.choice(name, "a", ("a", "b")),
    "file_in": lambda name: env.file_in(name, "de", TEXTS, ".toml"),
    "retry_schedule": lambda name: env.retry_schedule(name, "1,2"),
    "provider_url": env.provider_url,
    "public_url": env.public_url,
    "countries": env.countries,
    "country": env.country,
    "random_key": env.random_key,
    "random_keys": env.random_keys,
    "sender": lambda name: env.sender(name, "app@example.com"),
    "helo": env.helo,
    "prefixes": lambda name: env.prefixes(name, "https://a.example/"),
    "time_zone": lambda name: env.time_zone(name, "UTC"),
    "directory": lambda name: env.directory(name, Path("/a")),
    "file": env.file,
    "database": lambda name: env.database(name, Path("/a")),
    "email_url": env.email_url,
    "topic_prefix": lambda name: env.topic_prefix(name, "a."),
    "embedded": lambda name: env.embedded(name, ()),
    "prefixed": env.prefixed,
}


A_KEY = "be random, of at least 32 characters and 5 different ones, without commas or blanks"


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("reader", READERS)
def test_empty_is_unset_for_every_kind(monkeypatch: pytest.MonkeyPatch, reader: str, value: str) -> None:
    unset = READERS[reader]("A_VARIABLE")
    monkeypatch.setenv("A_VARIABLE", value)
    assert READERS[reader]("A_VARIABLE") == unset


def test_every_kind_is_among_those() -> None:
    """`read` and `kind` are what they are made with. The others read no variable."""
    ours = {
        name
        for name, value in vars(env).items()
        if isfunction(value) and value.__module__ == env.__name__ and not name.startswith("_")
    }
    assert ours - {"read", "kind", "end_process", "kept_secret", "made", "hash_key"} == set(READERS)


def test_the_port_of_a_kubernetes_service_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "tcp://10.0.0.1:9100")
    with pytest.raises(SystemExit, match=r"METRICS_PORT must be a whole number.*enableServiceLinks: false"):
        env.whole("METRICS_PORT", 0)


@pytest.mark.parametrize(
    ("read", "value", "must"),
    [
        (READERS["boolean"], "yess", "be true or false"),
        (READERS["whole"], "7.5", "be a whole number from 0 to 10000000"),
        (READERS["whole"], "-1", "be a whole number from 0 to 10000000"),
        (READERS["seconds"], "nan", "be a number of seconds of at least 0"),
        (READERS["seconds"], "inf", "be a number of seconds of at least 0"),
        (READERS["retry_schedule"], "1,,2", "be numbers of seconds that are not negative, separated by commas"),
        (READERS["retry_schedule"], "1,-2", "be numbers of seconds that are not negative, separated by commas"),
        (READERS["choice"], "c", "be one of a, b"),
        (READERS["file_in"], "fr", "be one of de, en"),
        (READERS["random_key"], "a" * 40, A_KEY),
        (READERS["random_key"], "0123456789abcdef,0123456789abcdef", A_KEY),
        (READERS["random_key"], "0123456789abcdef0123456789abcdef\n", A_KEY),
        (
            READERS["random_keys"],
            "abcdefgh" * 4 + ",b",
            "be random keys of at least 32 characters, separated by commas",
        ),
        (READERS["topic_prefix"], "a/b", "be letters, digits, dots, underscores and hyphens, at most 200"),
    ],
)
def test_a_bad_value_ends_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str], object], value: str, must: str
) -> None:
    monkeypatch.setenv("A_VARIABLE", value)
    with pytest.raises(SystemExit) as ended:
        read("A_VARIABLE")
    assert str(ended.value) == f"A_VARIABLE must {must}; it is not."


@pytest.mark.parametrize("value", ["Nowhere/Else", "../etc", "America", "europe/berlin", "right/UTC"])
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


def test_countries_are_two_letters_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_COUNTRIES", "de, GB,DE,")
    assert env.countries("SMS_COUNTRIES") == ("DE", "GB")
    for wrong in ("UK", "DE,Germany", "*", "49"):
        monkeypatch.setenv("SMS_COUNTRIES", wrong)
        with pytest.raises(SystemExit, match="SMS_COUNTRIES"):
            env.countries("SMS_COUNTRIES")


@pytest.mark.parametrize(
    "value", ["https://api.example.com", "http://127.0.0.1:9000/api/", "http://[::1]:1", "http://localhost"]
)
def test_a_providers_url(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLACK_BASE_URL", value)
    assert env.provider_url("SLACK_BASE_URL", "https://slack.com/api/") == value
    monkeypatch.setenv("SLACK_BASE_URL", "")
    assert env.provider_url("SLACK_BASE_URL", "https://slack.com/api/") == "https://slack.com/api/"


@pytest.mark.parametrize(
    "value",
    [
        "http://slack.com/api/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "https://user:password@example.com/",
        "https://example.com/?a=b",
        "HTTP://example.com",
        "ftp://127.0.0.1/",
        "//example.com",
        "example.com",
        "https:///api",
        "https://h:99999/",
        "https://[/",
    ],
)
def test_a_providers_url_that_others_could_read_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLACK_BASE_URL", value)
    with pytest.raises(SystemExit, match="SLACK_BASE_URL must be") as caught:
        env.provider_url("SLACK_BASE_URL", "https://slack.com/api/")
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("name", ["SLACK_BASE_URL", "TWILIO_BASE_URL", "ANYMAIL_POSTMARK_API_URL"])
def test_every_providers_url_is_looked_at_when_a_process_starts(name: str) -> None:
    command = [sys.executable, "-c", "import project.settings"]
    environment = {**os.environ, name: "http://example.com/"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith(f"{name} must be an https URL")) == (1, True)


def test_a_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_CA_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(SystemExit, match="KAFKA_CA_FILE"):
        env.file("KAFKA_CA_FILE")
    (tmp_path / "ca.pem").touch()
    assert env.file("KAFKA_CA_FILE") == str(tmp_path / "ca.pem")


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="VAR_DIR must be a directory"):
        env.made("VAR_DIR", tmp_path / "file" / "var")


def test_a_database_that_vanishes_is_noticed_unless_the_url_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "postgres://a:b@db/c?connect_timeout=9")
    options = env.database(URL, Path("unused"))["OPTIONS"]
    assert (options["connect_timeout"], options["keepalives_idle"]) == (9, 10)


@pytest.mark.parametrize(
    ("url", "hosts", "attributes"),
    [
        ("postgres://u:p@h1:5432,h2:5433/db", ("h1,h2", "5432,5433"), "read-write"),
        ("postgres://u:p@h1,h2/db", ("h1,h2", ""), "read-write"),
        ("postgres://u:p@h1:5432,h2:5432/db?target_session_attrs=read-write", ("h1,h2", "5432,5432"), "read-write"),
        ("postgres://u:p@h1:5432,h2:5432/db?target_session_attrs=primary", ("h1,h2", "5432,5432"), "primary"),
        ("postgres://u:p@h1:5432/db", ("h1", 5432), None),
        ("postgres://u:p@h1:5432/db?target_session_attrs=any", ("h1", 5432), "any"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_meant(
    monkeypatch: pytest.MonkeyPatch, url: str, hosts: tuple[str, object], attributes: str | None
) -> None:
    monkeypatch.setenv(URL, url)
    config = env.database(URL, Path("unused"))
    assert (config["HOST"], config["PORT"]) == hosts
    assert (config["USER"], config["PASSWORD"], config["NAME"]) == ("u", "p", "db")
    assert config["OPTIONS"].get("target_session_attrs") == attributes


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////srv/c++/a.sqlite3", "/srv/c++/a.sqlite3"),
        ("sqlite:////srv/100%25%20sure/a.sqlite3", "/srv/100% sure/a.sqlite3"),
        ("sqlite:///a.sqlite3", "a.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
    ],
)
def test_a_path_in_a_url_is_that_path(monkeypatch: pytest.MonkeyPatch, url: str, path: str) -> None:
    monkeypatch.setenv(URL, url)
    assert env.database(URL, Path("unused"))["NAME"] == path


@pytest.mark.parametrize("url", ["mysql://u:p@h/db", "postgis://u:p@h/db", "db.sqlite3"])
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(URL, url)
    with pytest.raises(SystemExit, match=r"DATABASE_URL must be a postgres:// or sqlite:/// URL"):
        env.database(URL, Path("unused"))
