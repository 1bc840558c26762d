"""Makes checks one after the other, each within a few seconds, whatever the others found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread

from django.db import Error as DatabaseProblem
from django.db import connections

from notifications.channels.outcomes import SendError
from project.database import refusals

PATIENCE = 8.0  # seconds for one check; libpq and Kafka's client give up after five

Look = Callable[[], Iterable[str]]  # yields what is wrong and what to do about it, a sentence each


class LeftOut(Exception):
    """There is nothing to look at here; the text says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Check:
    """A look at one thing. Without the check `needs` being fine it would find nothing else, so it is not made."""

    name: str
    look: Look
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `problems` to be mended, or why it was left out; neither where all is well."""

    name: str
    problems: list[str] = field(default_factory=list)
    left_out: str = ""

    def lines(self) -> list[str]:
        """Returns a line for each problem, or the one that says that there is none."""
        if self.left_out:
            return [f"{self.name}: left out. {self.left_out}"]
        return [f"{self.name}: {problem}" for problem in self.problems or ["ok"]]


def examine(checks: Iterable[Check], patience: float = PATIENCE) -> Iterator[Finding]:
    """Yields what each check found, in their order."""
    failed: set[str] = set()
    for check in checks:
        if check.needs in failed:
            finding = Finding(check.name, left_out=f"Mend this first: {check.needs}.")
        else:
            finding = _finding(check, patience)
        if finding.problems or check.needs in failed:
            failed.add(check.name)
        yield finding


def _finding(check: Check, patience: float) -> Finding:
    """Makes one check in a thread, which is left behind where it takes too long."""
    done: Future[list[str]] = Future()
    Thread(target=_look, args=(check.look, done), name=check.name, daemon=True).start()
    try:
        return Finding(check.name, done.result(patience))
    except LeftOut as reason:
        return Finding(check.name, left_out=str(reason))
    except TimeoutError:
        return Finding(check.name, [f"This was not answered within {patience:g} seconds."])
    except Exception as error:
        return Finding(check.name, [in_words(error)])


def _look(look: Look, done: Future[list[str]]) -> None:
    try:
        done.set_result(list(look()))
    except Exception as error:
        done.set_exception(error)
    finally:
        connections.close_all()  # this thread's


def in_words(error: Exception) -> str:
    """Returns a sentence that quotes no row, no address and no secret."""
    if isinstance(error, DatabaseProblem):
        return refusals.reason(error)
    if isinstance(error, (ConnectionError, SendError)):
        return str(error)
    return f"The check itself failed ({type(error).__name__}). Please report it with the version."
