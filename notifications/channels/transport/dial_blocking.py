"""Opens connections within a deadline, however many addresses a name has and however slow its resolver is."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
from collections import deque
from concurrent.futures import Future
from time import monotonic
from typing import Any

CONNECT_SECONDS = 5.0
NEXT_ADDRESS = 0.25  # seconds until the next address is tried beside those under way (RFC 8305)

Address = tuple[Any, ...]  # an entry of getaddrinfo


def dial(host: str, port: int, deadline: float) -> socket.socket:
    """Connects to whichever of the host's addresses answers first; `deadline` is of the monotonic clock.

    Returns a blocking socket. Raises OSError: TimeoutError at the deadline.
    """
    connected = _first_connected(deque(_addresses(host, port, deadline)), deadline)
    connected.setblocking(True)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def left(deadline: float) -> float:
    """Returns the seconds until the deadline. Raises TimeoutError once it has passed."""
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("out of time")
    return seconds


def _addresses(host: str, port: int, deadline: float) -> list[Address]:
    """Returns the addresses of a name. The system's look-up takes no timeout, so another thread waits for it.

    Raises OSError.
    """
    found: Future[list[Address]] = Future()

    def look_up() -> None:
        try:
            found.set_result(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.set_exception(error)
        except UnicodeError:  # a label that is too long for a name
            found.set_exception(socket.gaierror(socket.EAI_NONAME, "Not a host name"))

    threading.Thread(target=look_up, name=f"look-up of {host}", daemon=True).start()
    return found.result(left(deadline))


def _first_connected(addresses: deque[Address], deadline: float) -> socket.socket:
    """Tries the next address whenever one fails or takes long; the slow ones stay in the race."""
    failure: OSError = ConnectionError("The name has no address")
    with selectors.DefaultSelector() as race:
        try:
            while addresses or race.get_map():
                if addresses:
                    failure = _begin(addresses.popleft(), race) or failure
                wait = left(deadline)
                for key, _ in race.select(min(wait, NEXT_ADDRESS) if addresses else wait):
                    candidate: socket.socket = key.data
                    race.unregister(candidate)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return candidate
                    candidate.close()
                    failure = OSError(code, os.strerror(code))
        finally:
            for key in race.get_map().values():
                key.data.close()
    raise failure


def _begin(address: Address, race: selectors.BaseSelector) -> OSError | None:
    """Begins to connect. Returns the failure, if there is one already."""
    family, kind, protocol, _, where = address
    try:
        candidate = socket.socket(family, kind, protocol)
    except OSError as error:  # a family that this machine lacks
        return error
    candidate.setblocking(False)
    code = candidate.connect_ex(where)
    if code and code != errno.EINPROGRESS:
        candidate.close()
        return OSError(code, os.strerror(code))
    race.register(candidate, selectors.EVENT_WRITE, candidate)
    return None
