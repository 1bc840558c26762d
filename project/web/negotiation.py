"""Answers are JSON whatever the Accept header says: a caller that asks for text/html can still read a reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request


class First(BaseContentNegotiation):
    """The view's first renderer."""

    def select_renderer(self, _request: Request, renderers: Iterable[Any], _suffix: str | None = None) -> Any:
        first = next(iter(renderers))
        return first, first.media_type


class AllowOnly(BaseMetadata):
    """OPTIONS: the Allow header says it all."""

    def determine_metadata(self, _request: Request, _view: Any) -> dict[str, Any]:
        return {}
