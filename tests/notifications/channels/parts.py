"""What the channels' tests share."""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import trustme

from notifications.channels.base import Outgoing

PAGE = (Path(__file__).parents[3] / "docs" / "channels.md").read_text()


@dataclass(frozen=True)
class Note:
    """A claimed notification, as channels read it."""

    receiver: str
    message: str = "Hello World"
    subject: str = ""
    html: str = ""
    id: UUID = field(default_factory=uuid4)
    traceparent: str = ""
    unsubscribe: str = ""


class Kept:
    """Keeps in memory what the sandbox is handed."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Outgoing]] = []

    def keep(self, channel: str, notification: Outgoing) -> str:
        self.kept.append((channel, notification))
        return str(len(self.kept))

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Line:
    """A line of a table of provider answers."""

    when: str  # the first column: a phase of SMTP, or an HTTP status
    answer: str  # the second: a reply or code, or words
    cause: str
    outcome: str
    about: str = ""

    @property
    def code(self) -> str:
        found = re.search(r"`(.*?)`", self.answer)
        return found[1] if found else ""

    @property
    def retry_after(self) -> str:
        found = re.search(r"Retry-After: (.*)", self.answer)
        return found[1] if found else ""


def tls_pair(authority: trustme.CA) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1, and a file with the authority's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(authority.cert_pem.bytes())
    return context, file.name


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under this heading, without its two head lines."""
    section = PAGE.split(f"# {heading}\n", 1)[1]
    return list(_cells(section))[2:]


def answers(heading: str) -> list[Line]:
    return [Line(*cells) for cells in table(heading)]


def _cells(section: str) -> Iterator[list[str]]:
    started = False
    for line in section.splitlines():
        if line.startswith("|"):
            started = True
            yield [cell.strip() for cell in line.strip("|").split("|")]
        elif started or line.startswith("#"):
            return
