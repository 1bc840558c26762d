"""Reads the environment: typed, once, and loud. A bad value ends the process with one sentence."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured
from phonenumbers import SUPPORTED_REGIONS

from notifications.channels.email.address import parse_sender
from notifications.channels.transport.hosts import HOST, domain_in_ascii
from project.database.url import config_of, sqlite

T = TypeVar("T")
N = TypeVar("N", int, float)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# The port of each scheme, and when TLS begins (RFC 8314).
MAIL_SCHEMES = {
    "smtp": (25, "never"),
    "smtp+tls": (587, "starttls"),
    "smtp+ssl": (465, "at once"),
    "smtps": (465, "at once"),
}
MAIL_URL = (
    "such as smtp+tls://user:password@host:587, with what is special in user and password percent-encoded in UTF-8 and "
    f"one of the schemes {', '.join(MAIL_SCHEMES)}"
)
EHLO_NAME = "a full host name such as app.example.com, or an address such as [192.0.2.1] or [IPv6:2001:db8::1]"
BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
LARGEST = 10_000_000
EVERYWHERE: tuple[str, ...] = ()  # no countries are named
NO_KEYS: tuple[str, ...] = ()
SHORTEST_KEY = 32
FEWEST_CHARACTERS = 5


class AsTheyStand:
    """The environment as django-environ reads it: an empty variable is unset, and a `$` in a secret means nothing."""

    def __getitem__(self, name: str) -> str:
        value = os.environ[name]
        if not value.strip():
            raise KeyError(name)
        return value.replace("$", r"\$")  # which escape_proxy takes back; a bare $ names another variable there


environment = environ.Env()
environment.ENVIRON = AsTheyStand()
environment.escape_proxy = True


def end_process(name: str, reason: str) -> NoReturn:
    """Ends the process, naming the variable; settings are read before anything could handle an error."""
    sys.exit(f"{name} {reason}")


def read(name: str, default: T, cast: Callable[[str], T], expected: str = "") -> T:
    """Returns what `cast` makes of the variable, or `default` where it is unset. Every reader reads through this one.

    Ends the process where `cast` raises; `expected`, or else the error, says what the value must be.
    """
    try:
        value: T | None = environment(name, cast=cast, default=None)
    except (ValueError, TypeError, KeyError, AttributeError, ImproperlyConfigured) as error:
        end_process(name, f"must be {expected or str(error).rstrip('.')}; it is not.{_service_link(name)}")
    return default if value is None else value


def _service_link(name: str) -> str:
    """Kubernetes tells every pod of each Service by such variables, whose names may be those of settings."""
    if not text(name).startswith("tcp://"):
        return ""
    return " Kubernetes sets it for a Service of that name: enableServiceLinks: false in the pod prevents it."


def kind(expected: str, unset: T) -> Callable[[Callable[[str], T]], Callable[..., T]]:
    """Makes a cast a reader, which is called with the variable and, where it is not `unset`, the default."""
    return lambda cast: lambda name, default=unset: read(name, default, cast, expected)


def text(name: str, default: str = "") -> str:
    """The value as it stands."""
    return read(name, default, str)


def boolean(name: str, *, default: bool) -> bool:
    """`true/false`, `1/0`, `yes/no`, `on/off`, in any case. django-environ's own takes every other word for false."""
    return read(name, default, lambda raw: BOOLEANS[raw.strip().lower()], "true or false")


def embedded(name: str, services: tuple[str, ...]) -> bool:
    """Returns True in the embedded default: no variable of `services` is set, unless the variable itself decides.

    The image says false: there a forgotten variable must end the start, not open an empty database in a container.
    """
    value = boolean(name, default=not any(text(service) for service in services))
    for service in services if text(name) else ():
        if value and text(service):
            end_process(name, f"can be true only without {service}.")
        if not value and not text(service):
            end_process(service, f"must be set, for {name} is false.")
    return value


def whole(name: str, default: int, *, at_least: int = 0, at_most: int = LARGEST) -> int:
    """A whole number within bounds."""
    return read(name, default, _bounded(int, at_least, at_most), f"a whole number from {at_least} to {at_most}")


def seconds(name: str, default: float, *, at_least: float = 0.0) -> float:
    """A finite number of seconds."""
    return read(name, default, _bounded(float, at_least), f"a number of seconds of at least {at_least:g}")


def _bounded(cast: Callable[[str], N], at_least: float = 0.0, at_most: float = LARGEST) -> Callable[[str], N]:
    def bounded(raw: str) -> N:
        value = cast(raw)
        if not at_least <= value <= at_most:
            raise ValueError
        return value

    return bounded


def retry_schedule(name: str, default: str) -> tuple[float, ...]:
    """Seconds before each retry; as many retries as numbers."""

    def steps(raw: str) -> tuple[float, ...]:
        return tuple(map(_bounded(float), raw.split(",")))

    return read(name, steps(default), steps, "numbers of seconds that are not negative, separated by commas")


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return read(name, default, _words) or default


def _words(raw: str) -> list[str]:
    return [word.strip() for word in raw.split(",") if word.strip()]


@kind("countries as two letters, such as DE,GB", EVERYWHERE)
def countries(raw: str) -> tuple[str, ...]:
    """Countries by their two letters (ISO 3166-1), in any case."""
    found = tuple(dict.fromkeys(word.upper() for word in _words(raw)))
    if not set(found) <= SUPPORTED_REGIONS:
        raise ValueError
    return found


@kind("a country as two letters, such as DE", "")
def country(raw: str) -> str:
    """A country by its two letters, in any case."""
    found = raw.strip().upper()
    if found not in SUPPORTED_REGIONS:
        raise ValueError
    return found


@kind(
    f"random, of at least {SHORTEST_KEY} characters and {FEWEST_CHARACTERS} different ones, without commas or blanks",
    "",
)
def random_key(raw: str) -> str:
    """A key that nobody can guess; "" where it is unset."""
    return _random(raw)


@kind(f"random keys of at least {SHORTEST_KEY} characters, separated by commas", NO_KEYS)
def random_keys(raw: str) -> tuple[str, ...]:
    """Such keys, separated by commas."""
    return tuple(map(_random, _words(raw)))


def _random(raw: str) -> str:
    # A list of former keys separates them by commas and trims them, and they must be the same keys there.
    if len(raw) < SHORTEST_KEY or len(set(raw)) < FEWEST_CHARACTERS or re.search(r"[,\s]", raw):
        raise ValueError
    return raw


def hash_key(secret: str) -> bytes:
    """Returns the key of receivers' hashes that a secret stands for: 32 bytes, which tell nothing of the secret."""
    return blake2b(secret.encode(), digest_size=32, person=b"receiver hashes").digest()


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`."""
    return read(name, default, lambda raw: allowed[allowed.index(raw)], f"one of {', '.join(allowed)}")


def file_in(name: str, default: str, folder: Path, suffix: str) -> str:
    """A file of the folder, by its name without the suffix."""
    return choice(name, default, tuple(sorted(path.stem for path in folder.glob(f"*{suffix}"))))


def prefixes(name: str, default: str) -> list[str]:
    """URL prefixes: https, or http on loopback (for tests), each with a path that ends in a slash."""
    expected = "https URLs with a host that end in a slash (http only on loopback)"
    return read(name, [], lambda raw: [_prefix(word) for word in _words(raw)], expected) or [default]


@kind("an https URL with a host, without user, query or fragment (http only on loopback)", "")
def provider_url(raw: str) -> str:
    """The URL of a provider's API: https, or http on loopback (for tests), since credentials go there."""
    return _private(raw)


@kind("the https URL of this platform as others see it, without user, query or fragment (http only on loopback)", "")
def public_url(raw: str) -> str:
    """The URL that leads to this platform from outside, without a slash at its end."""
    return _private(raw).rstrip("/")


def _private(value: str) -> str:
    """Raises ValueError for a URL where somebody on the way could read what is sent there."""
    url = urlsplit(value)
    plain = not (url.username or url.password or url.query or url.fragment)
    loopback = url.scheme == "http" and url.hostname in LOOPBACK
    if not (plain and (url.scheme == "https" or loopback) and url.hostname and url.port != 0):
        raise ValueError
    return value


def _prefix(value: str) -> str:
    if not urlsplit(value).path.endswith("/"):
        raise ValueError
    return _private(value)


@kind("a time zone such as Europe/Paris", "UTC")
def time_zone(raw: str) -> str:
    """A zone of the IANA database."""
    if raw not in available_timezones():
        raise ValueError
    return raw


def directory(name: str, default: Path) -> Path:
    """A directory; `made` makes it when something is to be kept there."""
    return read(name, default, Path).resolve()


def made(name: str, path: Path) -> Path:
    """The directory, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        end_process(
            name, f"must be a directory this process may write to; {str(path)!r} cannot be made: {error.strerror}."
        )
    return path


@kind("a file that this process can read", "")
def file(raw: str) -> str:
    """The path of a file that this process can read."""
    if not os.access(raw, os.R_OK):
        raise ValueError
    return raw


def database(name: str, default: Path) -> dict[str, Any]:
    """Django's database settings from a URL of PostgreSQL or SQLite; the SQLite file `default` where it is unset."""
    return read(name, sqlite(str(default)), config_of, "a postgres:// or sqlite:/// URL")


class MailServer(NamedTuple):
    """Django's settings of that name; those where nothing is set are Django's own defaults."""

    EMAIL_HOST: str = "localhost"
    EMAIL_PORT: int = 25
    EMAIL_HOST_USER: str = ""
    EMAIL_HOST_PASSWORD: str = ""
    EMAIL_USE_TLS: bool = False  # by STARTTLS
    EMAIL_USE_SSL: bool = False  # at once


@kind(MAIL_URL, MailServer())
def email_url(raw: str) -> MailServer:
    """The mail server of a URL. Raises ValueError where a part is missing, or is there and means nothing."""
    url = urlsplit(raw.strip())
    place = unquote(url.netloc, errors="strict")
    if not url.hostname or url.port == 0 or url.path.strip("/") or url.query or url.fragment or not place.isprintable():
        raise ValueError
    port, tls = MAIL_SCHEMES[url.scheme]
    user, password = (unquote(part or "", errors="strict") for part in (url.username, url.password))
    host = domain_in_ascii(url.hostname)
    return MailServer(host, url.port or port, user, password, tls == "starttls", tls == "at once")


@kind("", "")
def sender(raw: str) -> str:
    """One e-mail address that mail servers take, with or without a display name."""
    parse_sender(raw)  # raises what it must be
    return raw


@kind(EHLO_NAME, "")
def helo(raw: str) -> str:
    """A full host name, or an address literal, as EHLO may say it (RFC 5321 4.1.4)."""
    name = raw.strip()
    if not HOST.fullmatch(name):
        inner = name.removeprefix("[").removesuffix("]")
        if name != f"[{inner}]":
            raise ValueError
        IPv6Address(inner[5:]) if inner.upper().startswith("IPV6:") else IPv4Address(inner)
    return name


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


@kind("letters, digits, dots, underscores and hyphens, at most 200", "")
def topic_prefix(raw: str) -> str:
    """What Kafka allows in a topic's name."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]{0,200}", raw):
        raise ValueError
    return raw
