"""Limits how many requests are worked on at a time, and lets nobody's slow body keep the others waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar
from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from project import metrics
from project.web.pieces import Pieces

COUNT = 32
BODY_SECONDS = 60  # for a body to arrive
STEP = 65_536
T = TypeVar("T")


class Places:
    """A WSGI application that works on at most COUNT requests at a time, each with a database connection of its own.

    The server has a thread for each connection (docs/reference.md, "granian"), because a thread that reads a body waits
    for the client. Such a thread has no place meanwhile, so others can work. A place keeps its database connection from
    request to request, so there are as many connections as places and not as many as threads.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._free: SimpleQueue[BaseDatabaseWrapper] = SimpleQueue()
        self._mine = threading.local()  # the connection of this thread's place; Django takes 0.9 µs to find it
        for _ in range(COUNT):
            connection = connections.create_connection(DEFAULT_DB_ALIAS)
            connection.inc_thread_sharing()  # by one thread at a time
            self._free.put(connection)
        metrics.places_in_use.set_function(lambda: COUNT - self._free.qsize())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Returns the whole answer at once, so that a client that reads slowly keeps no place; Pieces one by one."""
        environ["wsgi.input"] = Body(environ["wsgi.input"], self)
        self._take()
        try:
            response: Any = self._application(environ, start_response)
            if isinstance(response, list):  # of the short way, which has nothing to close
                return response
            if isinstance(response, Pieces):
                return self._one_by_one(response)
            try:
                return [b"".join(response)]
            finally:
                response.close()
        finally:
            self._leave()

    def _one_by_one(self, response: Pieces) -> Iterator[bytes]:
        """Yields the pieces. The client has no place while it takes one."""
        pieces = iter(response)
        try:
            while (piece := self._inside(lambda: next(pieces, None))) is not None:
                yield piece
        finally:
            self._inside(response.close)

    def _inside(self, work: Callable[[], T]) -> T:
        self._take()
        try:
            return work()
        finally:
            self._leave()

    def outside(self, work: Callable[[], T]) -> T:
        """Does the work without a place and its database connection. No transaction may be open."""
        self._leave()
        try:
            return work()
        finally:
            self._take()

    def _take(self) -> None:
        connection = self._free.get()
        connection.close_if_unusable_or_obsolete()  # and it is looked at anew: this request has not done so
        connections[DEFAULT_DB_ALIAS] = self._mine.connection = connection

    def _leave(self) -> None:
        connection: BaseDatabaseWrapper = self._mine.connection
        connection.close_if_unusable_or_obsolete()  # as Django does behind each request
        del connections[DEFAULT_DB_ALIAS]
        self._free.put(connection)


class Body:
    """The body of a request. The thread that reads it has no place until the body has arrived.

    It looks at the deadline between reads of STEP bytes. One read waits as long as the server lets it, so a caller who
    sends nothing is bounded by the proxy (deploy/nginx/nginx.conf).
    """

    def __init__(self, stream: InputStream, places: Places) -> None:
        self._stream = stream
        self._places = places
        self._deadline = time.monotonic() + BODY_SECONDS

    def read(self, size: int) -> bytes:
        """Returns at most `size` bytes, fewer only at the end. Raises TimeoutError where a large body drips in."""
        return self._places.outside(lambda: self._read(size))

    def readline(self, _size: int = -1) -> bytes:
        return self._places.outside(self._stream.readline)

    def _read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            if time.monotonic() > self._deadline:
                raise TimeoutError("The body did not arrive in time.")
            parts.append(self._stream.read(min(size, STEP)))
            if len(parts[-1]) < STEP:
                break
            size -= STEP
        return b"".join(parts)
