"""Checks settings outside the embedded default, where others can reach the web and its secrets matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from project.environment import LOOPBACK, end_process

# The bounds of Django's deployment check security.W009.
SHORTEST_SECRET = 50
FEWEST_CHARACTERS = 5
SAMPLE_PREFIX = "django-insecure-"
SMTP_OVER_TLS = ("smtp+tls", "smtp+ssl", "smtps")


def require_safe_settings(
    *, debug: bool, secret_keys: Iterable[tuple[str, str]], allowed_hosts: Sequence[str], email_url: str
) -> None:
    """Ends the process with a sentence about the first unsafe setting. `secret_keys` are (variable, value)."""
    if debug:
        end_process(
            "DEBUG", "must be false: its error pages show settings. It can be true in the embedded default alone."
        )
    for name, secret in secret_keys:
        if not _is_hard_to_guess(secret):
            end_process(name, f"must be random and of at least {SHORTEST_SECRET} characters; it can be guessed.")
    if "*" in allowed_hosts:
        end_process("ALLOWED_HOSTS", "must name the hosts; * would let anybody choose the links in our answers.")
    if _sends_password_in_clear(email_url):
        end_process(
            "EMAIL_URL", "has a password and no TLS: use smtp+tls:// or smtp+ssl://. Loopback alone needs none."
        )


def _is_hard_to_guess(secret: str) -> bool:
    long_enough = len(secret) >= SHORTEST_SECRET and len(set(secret)) >= FEWEST_CHARACTERS
    return long_enough and not secret.startswith(SAMPLE_PREFIX)


def _sends_password_in_clear(email_url: str) -> bool:
    url = urlsplit(email_url)
    return bool(url.password) and url.scheme not in SMTP_OVER_TLS and url.hostname not in LOOPBACK
