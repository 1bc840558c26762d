"""Opens connections within a deadline, however many addresses a name has and however slow its resolver is."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

CONNECT_SECONDS = 5.0
NEXT_ADDRESS = 0.25  # seconds until the next address is tried beside those under way (RFC 8305)

Address = tuple[Any, ...]  # an entry of getaddrinfo


async def dial(host: str, port: int) -> socket.socket:
    """Connects to whichever of the host's addresses answers first. Returns a socket that does not block.

    Raises OSError. It has no deadline of its own: the caller gives it one, and CONNECT_SECONDS at most.
    """
    connected = await _first_connected(deque(await _addresses(host, port)))
    if isinstance(connected, OSError):
        try:
            raise connected
        finally:
            del connected  # else it and this frame know each other, and the text to be sent waits for the collector
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


async def _addresses(host: str, port: int) -> list[Address]:
    """Returns the addresses of a name. Raises OSError."""
    if _is_address(host):
        outcome = _look_up(host, port)
    else:
        outcome = await asyncio.shield(_look_up_under_way(host, port))  # others wait for it too
    if isinstance(outcome, _Failure):
        raise outcome.kind(*outcome.given)
    return outcome


class _Failure(NamedTuple):
    """An error to be raised. The look-up's own would keep the text to be sent for the collector, see `dial`."""

    kind: type[OSError]
    given: tuple[Any, ...]


Outcome = list[Address] | _Failure
_under_way: dict[tuple[asyncio.AbstractEventLoop, str, int], asyncio.Future[Outcome]] = {}


def _is_address(host: str) -> bool:
    """Returns whether it is no name, so that looking it up asks nobody."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up_under_way(host: str, port: int) -> asyncio.Future[Outcome]:
    """Returns the running loop's one look-up of that name, which it begins where there is none.

    The system's look-up takes no timeout, so another thread waits for it: one of its own, for in a pool of threads
    a few names whose resolver hangs would keep all others from being looked up. All dials of a name share it, for
    the loop stands still while a thread starts: for `sys.getswitchinterval` beside each busy thread.
    """
    loop = asyncio.get_running_loop()
    key = (loop, host, port)
    if key in _under_way:
        return _under_way[key]
    found: asyncio.Future[Outcome] = loop.create_future()

    def work() -> None:
        try:
            outcome = _look_up(host, port)
        finally:
            _under_way.pop(key, None)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(found.set_result, outcome)

    _under_way[key] = found
    try:
        threading.Thread(target=work, name=f"look-up of {host}", daemon=True).start()
    except RuntimeError:  # no thread can be started
        del _under_way[key]
        raise
    return found


def _look_up(host: str, port: int) -> Outcome:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        return _Failure(type(error), error.args)
    except UnicodeError:  # a label that is too long for a name
        return _Failure(socket.gaierror, (socket.EAI_NONAME, "Not a host name"))


async def _first_connected(addresses: deque[Address]) -> socket.socket | OSError:
    """Tries the next address whenever one fails or takes long; the slow ones stay in the race.

    Returns the last failure where none connects: raised here, it would keep what this frame knows in memory.
    """
    failure: OSError = ConnectionError("The name has no address")
    race: set[asyncio.Task[socket.socket]] = set()
    try:
        while addresses or race:
            if addresses:
                race.add(asyncio.create_task(_connect(addresses.popleft())))
            wait = NEXT_ADDRESS if addresses else None
            ended, _ = await asyncio.wait(race, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for attempt in ended:
                race.discard(attempt)
                error = attempt.exception()
                if not isinstance(error, OSError):
                    return attempt.result()
                failure = error
    finally:
        for attempt in race:
            attempt.cancel()
            attempt.add_done_callback(_close)
    return failure


async def _connect(address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    candidate = socket.socket(family, kind, protocol)
    try:
        candidate.setblocking(False)
        await asyncio.get_running_loop().sock_connect(candidate, where)
    except BaseException:
        candidate.close()
        raise
    return candidate


def _close(late: asyncio.Task[socket.socket]) -> None:
    """Closes the socket of one that connected at the same time as the winner."""
    if not late.cancelled() and late.exception() is None:
        late.result().close()
