"""An answer that is made while it is sent, because the whole would fill the memory."""

from __future__ import annotations

from django.http import StreamingHttpResponse


class Pieces(StreamingHttpResponse):
    """Each piece is made with a place and a database connection of its own (project/places.py).

    So no piece may leave a transaction or a cursor open for the next.
    """
