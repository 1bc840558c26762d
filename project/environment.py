"""Reads the environment: typed, once, and loud. A bad value ends the process with one sentence."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from phonenumbers import SUPPORTED_REGIONS

from notifications.channels.email.address import parse_sender
from notifications.channels.transport.hosts import HOST, domain_in_ascii

T = TypeVar("T")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# A host that vanishes without a word is noticed in half a minute, not in the two hours of the system's default.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}

# The port of each scheme, and when TLS begins (RFC 8314).
MAIL_SCHEMES = {
    "smtp": (25, "never"),
    "smtp+tls": (587, "starttls"),
    "smtp+ssl": (465, "at once"),
    "smtps": (465, "at once"),
}
PERCENT = "with what is special in user and password percent-encoded in UTF-8"
EHLO_NAME = "a full host name such as app.example.com, or an address such as [192.0.2.1] or [IPv6:2001:db8::1]"

env = environ.Env()  # its readers of URLs; what it does with a $ or an empty value is not wanted here


def refuse(name: str, reason: str) -> NoReturn:
    """End the process, naming the variable; settings are read before anything could handle an error."""
    sys.exit(f"{name} {reason}")


def _read(name: str, reader: Callable[[], T], expected: str) -> T:
    try:
        return reader()
    except (ValueError, TypeError, KeyError, AttributeError, ImproperlyConfigured):
        refuse(name, f"must be {expected}; it is not.{_service_link(name)}")


def _service_link(name: str) -> str:
    """Kubernetes tells every pod of each Service by such variables, whose names may be those of settings."""
    if not text(name).startswith("tcp://"):
        return ""
    return " Kubernetes sets it for a Service of that name: enableServiceLinks: false in the pod prevents it."


def text(name: str, default: str = "") -> str:
    """The value as it stands, or `default` where it is unset or blank; a `$` in a secret means nothing.

    Every other reader reads through this one, so that empty means unset for all.
    """
    value = os.environ.get(name, "")
    return value if value.strip() else default


def boolean(name: str, *, default: bool) -> bool:
    """`true/false`, `1/0`, `yes/no`, `on/off`, in any case; anything else is refused."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    raw = text(name).strip().lower()
    return _read(name, lambda: words[raw] if raw else default, "true or false")


def embedded(name: str, services: tuple[str, ...]) -> bool:
    """Whether this is the embedded default: none of the `services` is set, unless the variable itself says.

    The image says false: there a forgotten variable must end the start, not open an empty database in a container.
    """
    value = boolean(name, default=not any(text(service) for service in services))
    for service in services if text(name) else ():
        if value and text(service):
            refuse(name, f"can be true only without {service}.")
        if not value and not text(service):
            refuse(service, f"must be set, for {name} is false.")
    return value


def whole(name: str, default: int, *, at_least: int = 0, at_most: int = 10_000_000) -> int:
    """A whole number within bounds."""
    value = _read(name, lambda: int(text(name, str(default))), "a whole number")
    if not at_least <= value <= at_most:
        refuse(name, f"must be from {at_least} to {at_most}; it is {value}.")
    return value


def seconds(name: str, default: float, *, at_least: float = 0.0) -> float:
    """A finite number of seconds."""
    value = _read(name, lambda: float(text(name, str(default))), "a number of seconds")
    if not at_least <= value <= 10_000_000:
        refuse(name, f"must be a number of seconds of at least {at_least:g}; it is {value:g}.")
    return value


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or default


def countries(name: str) -> tuple[str, ...]:
    """Countries by their two letters (ISO 3166-1), in any case; () where it is unset."""
    found = tuple(dict.fromkeys(word.upper() for word in words(name, [])))
    if unknown := [country for country in found if country not in SUPPORTED_REGIONS]:
        refuse(name, f"must hold countries as two letters, such as DE,GB; {', '.join(unknown)} is none.")
    return found


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`."""
    value = text(name, default)
    if value not in allowed:
        refuse(name, f"must be one of {', '.join(allowed)}; it is {value!r}.")
    return value


def retry_schedule(name: str, default: str) -> tuple[float, ...]:
    """Seconds before each retry; as many retries as numbers."""
    raw = text(name, default)
    steps = _read(name, lambda: tuple(float(step) for step in raw.split(",")), "seconds separated by commas")
    if not all(0 <= step <= 10_000_000 for step in steps):
        refuse(name, "must hold numbers of seconds that are not negative.")
    return steps


def prefixes(name: str, default: str) -> list[str]:
    """URL prefixes: https, or http on loopback (for tests), each with a path that ends in a slash."""
    found = words(name, [default])
    for prefix in found:
        if not _read(name, partial(_is_prefix, prefix), "URLs with a host and a valid port"):
            refuse(name, f"must hold https URLs that end in a slash (http only on loopback); {prefix!r} is not one.")
    return found


def provider_url(name: str, default: str = "") -> str:
    """The URL of a provider's API: https, or http on loopback (for tests), since credentials go there."""
    value = text(name) or default
    if value and not _read(name, partial(_is_private, value), "a URL with a host and a valid port"):
        refuse(name, "must be an https URL without user, query or fragment (http only on loopback).")
    return value


def _is_private(value: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    url = urlsplit(value)
    plain = not (url.username or url.password or url.query or url.fragment)
    loopback = url.scheme == "http" and url.hostname in LOOPBACK
    return plain and (url.scheme == "https" or loopback) and bool(url.hostname) and url.port != 0


def _is_prefix(prefix: str) -> bool:
    return _is_private(prefix) and urlsplit(prefix).path.endswith("/")


def time_zone(name: str, default: str) -> str:
    """A zone of the IANA database."""
    value = text(name, default)
    _read(name, lambda: ZoneInfo(value), "a time zone such as Europe/Paris")
    return value


def directory(name: str, default: Path) -> Path:
    """A directory; `made` makes it when something is to be kept there."""
    return Path(text(name, str(default))).resolve()


def made(name: str, path: Path) -> Path:
    """The directory, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse(name, f"must be a directory this process may write to; {str(path)!r} cannot be made: {error.strerror}.")
    return path


def file(name: str) -> str:
    """The path of a file that this process can read, or "" where it is unset."""
    path = text(name)
    if path and not os.access(path, os.R_OK):
        refuse(name, f"must be a file that this process can read; {path!r} is not.")
    return path


def database(name: str, default: Path) -> dict[str, Any]:
    """Django's database settings from a URL of PostgreSQL or SQLite; the SQLite file `default` where it is unset."""
    url = text(name)
    if not url:
        return _sqlite(str(default))
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _sqlite(_read(name, lambda: unquote(urlsplit(url).path)[1:], "a sqlite:///path URL") or ":memory:")
    if scheme not in {"postgres", "postgresql", "psql", "pgsql"}:
        refuse(name, "must be a postgres:// or sqlite:/// URL.")
    return _postgresql(_read(name, lambda: env.db_url_config(url), "a postgres:// or sqlite:/// URL"))


def _sqlite(path: str) -> dict[str, Any]:
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options, "CONN_MAX_AGE": None}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    """Of several hosts, connect to the one that takes writes; libpq tries them in order."""
    options = config.get("OPTIONS", {})
    several = "," in config["HOST"] + options.get("host", "")
    standard = POSTGRESQL_OPTIONS | ({"target_session_attrs": "read-write"} if several else {})
    return config | {
        "ENGINE": "project.database.postgresql",
        "OPTIONS": standard | options,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # A pooler in transaction mode gives the next FETCH to another session, which knows no such cursor.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def email_url(name: str) -> dict[str, Any]:
    """Django's EMAIL_* settings from a URL such as smtp+tls://user:password@host:587; {} where it is unset."""
    raw = text(name).strip()
    if not raw:
        return {}
    url = _read(name, partial(_mail_server, raw), f"such as smtp+tls://user:password@host:587, {PERCENT}")
    if url.scheme not in MAIL_SCHEMES:
        refuse(name, f"must begin with one of {', '.join(f'{scheme}://' for scheme in MAIL_SCHEMES)}.")
    port, tls = MAIL_SCHEMES[url.scheme]
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": domain_in_ascii(url.hostname or ""),
        "EMAIL_PORT": url.port or port,
        "EMAIL_HOST_USER": unquote(url.username or "", errors="strict"),
        "EMAIL_HOST_PASSWORD": unquote(url.password or "", errors="strict"),
        "EMAIL_USE_TLS": tls == "starttls",
        "EMAIL_USE_SSL": tls == "at once",
    }


def _mail_server(raw: str) -> SplitResult:
    """The URL in its parts. Raises ValueError where a part is missing, or is there and means nothing."""
    url = urlsplit(raw)
    said = unquote(url.netloc, errors="strict")
    if not url.hostname or url.port == 0 or url.path.strip("/") or url.query or url.fragment or not said.isprintable():
        raise ValueError
    domain_in_ascii(url.hostname)
    return url


def sender(name: str, default: str) -> str:
    """One e-mail address that mail servers take, with or without a display name."""
    value = text(name, default)
    try:
        parse_sender(value)
    except ValueError as wrong:
        refuse(name, f"must be {wrong}.")
    return value


def helo(name: str) -> str:
    """A full host name, or an address literal, as EHLO may say it (RFC 5321 4.1.4)."""
    value = text(name).strip()
    if value and not HOST.fullmatch(value) and not _read(name, partial(_is_literal, value), EHLO_NAME):
        refuse(name, f"must be {EHLO_NAME}.")
    return value


def _is_literal(value: str) -> bool:
    if not (value.startswith("[") and value.endswith("]")):
        return False
    inner = value[1:-1]
    return bool(IPv6Address(inner[5:]) if inner.upper().startswith("IPV6:") else IPv4Address(inner))


def prefixed(prefix: str) -> dict[str, str]:
    """All variables that begin with `prefix` and are set, without it. One that ends in _URL is a provider's."""
    found = {key.removeprefix(prefix): text(key) for key in os.environ if key.startswith(prefix) and text(key)}
    for name in found:
        if name.endswith("_URL"):
            provider_url(prefix + name)
    return found


def kept_secret(path: Path) -> str:
    """A secret made on first use and kept in a file only its owner can read: for the embedded default."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


def topic_prefix(name: str, default: str) -> str:
    """What Kafka allows in a topic's name."""
    value = text(name, default)
    if not re.fullmatch(r"[a-zA-Z0-9._-]{0,200}", value):
        refuse(name, "may hold letters, digits, dots, underscores and hyphens only.")
    return value
