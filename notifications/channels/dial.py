"""Opens connections within a deadline, however many addresses a name has and however slow its resolver is."""

from __future__ import annotations

import socket
import threading
from time import monotonic
from typing import Any

CONNECT_SECONDS = 5.0
LEAST_SECONDS = 1.0  # for one address of several


def dial(host: str, port: int, deadline: float) -> socket.socket:
    """A connected socket; `deadline` is of the monotonic clock. Raises OSError, as TimeoutError at the deadline.

    The addresses of a name share the time, so that a silent one leaves some for the next.
    """
    addresses = _addresses(host, port, deadline)
    failure = OSError("No address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        connected = socket.socket(family, kind, protocol)
        try:
            seconds = left(deadline)
            connected.settimeout(min(seconds, max(LEAST_SECONDS, seconds / (len(addresses) - tried))))
            connected.connect(address)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure


def left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError where there are none."""
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    lookup = _Lookup(host, port)
    lookup.start()
    lookup.join(left(deadline))
    if lookup.failure:
        raise lookup.failure
    if not lookup.found:
        raise TimeoutError
    return lookup.found


class _Lookup(threading.Thread):
    """Asks the system's resolver, which takes no timeout, in a thread that nobody has to wait for."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True, name="resolver")
        self._place = (host, port)
        self.found: list[Any] = []
        self.failure: OSError | None = None

    def run(self) -> None:
        try:
            self.found = socket.getaddrinfo(*self._place, type=socket.SOCK_STREAM)
        except OSError as error:
            self.failure = error
        except UnicodeError:  # a label that is too long for a name
            self.failure = socket.gaierror(socket.EAI_NONAME, "Not a host name")
