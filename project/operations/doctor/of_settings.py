"""Checks of this process's settings and of the machine it runs on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings

from project.operations.doctor.examine import LeftOut

THIS_MACHINE = {"127.0.0.1", "localhost", "[::1]"}
LOCK = "requirements.lock"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
LEAST_FREE = 200 * 1024**2  # bytes


def libraries() -> Iterator[str]:
    """The libraries are those that this version was tested with."""
    lock = settings.BASE_DIR / LOCK
    if not lock.exists():
        raise LeftOut(f"There is no {LOCK} beside the code.")
    wrong = []
    for name, wanted in PINNED.findall(lock.read_text()):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} is {found} instead of {wanted}")
    if wrong:
        yield f"{', '.join(wrong)}: install {LOCK}, with --require-hashes."


def secrets() -> Iterator[str]:
    """The former keys are former ones, and what follows from a key that is being changed is known."""
    if settings.SECRET_KEY in settings.SECRET_KEY_FALLBACKS:
        yield "SECRET_KEY is among its own SECRET_KEY_FALLBACKS: put the former one there, or nothing."
    if settings.HASH_KEY and settings.HASH_KEY in settings.HASH_KEY_FALLBACKS:
        yield "HASH_KEY is among its own HASH_KEY_FALLBACKS: put the former one there, or nothing."
    if settings.SECRET_KEY_FALLBACKS and not settings.HASH_KEY:
        yield (
            "SECRET_KEY is being changed, and HASH_KEY follows from it: set HASH_KEY to the former SECRET_KEY, or keep "
            "that in SECRET_KEY_FALLBACKS for RETENTION_DAYS, for older rows are found by it."
        )


def hosts() -> Iterator[str]:
    """The web answers under a name that others can use."""
    if settings.EMBEDDED:
        raise LeftOut("The embedded default answers this machine alone.")
    if set(settings.ALLOWED_HOSTS) <= THIS_MACHINE:
        yield f"The web answers to {', '.join(settings.ALLOWED_HOSTS)} alone: set ALLOWED_HOSTS to its public names."


def sender_address() -> Iterator[str]:
    """E-mails come from an address that other mail servers take."""
    if not settings.EMAIL_CONFIGURED:
        raise LeftOut("EMAIL has no provider here.")
    if settings.DEFAULT_FROM_EMAIL.rstrip(">").endswith("@localhost"):
        yield "E-mails come from an address at localhost, which other mail servers refuse: set DEFAULT_FROM_EMAIL."


def disk() -> Iterator[str]:
    """There is space for the database, where it is a file of this machine."""
    if "sqlite3" not in settings.DATABASES["default"]["ENGINE"]:
        raise LeftOut("The database is not kept on this machine's disk by us.")
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free < LEAST_FREE:
        yield f"{free // 1024**2} MB are free in VAR_DIR ({settings.VAR_DIR}): free some, or every POST will be a 503."
