"""The bytes of a request, before anybody parses them."""

from __future__ import annotations

from typing import Protocol

from django.http.request import UnreadablePostError
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError

from project.web.errors import LengthRequired, TooLargeBody, WrongMediaType
from users.access.authentication import HasHeaders

MAX_BODY = 6 * 1024 * 1024
MAX_BATCH_BODY = 5 * 1024 * 1024
DRAINED = 64 * 1024 * 1024  # of a body over the limit, so that its sender is still there to read the 413


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Call(HasHeaders, Stream, Protocol):
    """What a view that submits reads of a request: its headers, and its body as far as its declared length."""


def read_body(request: Call, limit: int = MAX_BODY) -> bytes:
    """The body of a JSON request, at most `limit` bytes.

    Raises WrongMediaType, and what `read_bytes` raises.
    """
    if request.META.get("CONTENT_TYPE") != "application/json":
        _check_media_type(request)
    return read_bytes(request, limit)


def read_bytes(request: Call, limit: int) -> bytes:
    """The body of a request of any kind, at most `limit` bytes.

    Raises TooLargeBody, LengthRequired or ParseError. Django's own reading would answer a body over its limit with a
    page in HTML, and knows no chunked ones.
    """
    declared = request.META.get("CONTENT_LENGTH", "")
    stream: Stream
    if declared.isdecimal():
        stream, too_large = request, int(declared) > limit
    elif "HTTP_TRANSFER_ENCODING" not in request.META:
        return b""
    elif request.META.get("wsgi.input_terminated"):
        stream, too_large = request.META["wsgi.input"], False
    else:
        raise LengthRequired("This server needs a Content-Length.")
    try:
        body: bytes = b"" if too_large else stream.read(limit + 1)
        if too_large or len(body) > limit:
            _drain(stream)
            mib = limit // 1024 // 1024
            raise TooLargeBody(f"The body is over {f'{mib} MiB' if mib else f'{limit // 1024} KiB'}.")
    except (UnreadablePostError, OSError) as error:
        raise ParseError("The body ended early.") from error
    if declared and len(body) != int(declared):
        raise ParseError("The body ended early.")
    return body


def _check_media_type(request: Call) -> None:
    media_type, parameters = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    if media_type != "application/json":
        raise WrongMediaType("Must be application/json.")
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise WrongMediaType("The charset must be utf-8.")


def _drain(stream: Stream) -> None:
    for _ in range(DRAINED // 65_536):
        if not stream.read(65_536):
            return
