"""DELETE: a notification is cancelled, or it is too late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.api import openapi
from notifications.api.read import ReadOne, id_in, no_such
from notifications.ledger.cancel import cancel
from notifications.ledger.hooks import NO_HOOKS
from notifications.messages.ids import time_of
from notifications.messages.rules import CLOCKS_DIFFER
from notifications.messages.words import Is, Status
from users.access.authentication import caller_of


class ReadOrCancel(ReadOne):
    """DELETE /notification/<id>; its GET is ReadOne's."""

    scopes: ClassVar = ReadOne.scopes | {"DELETE": "send"}

    @extend_schema(**openapi.CANCEL)
    def delete(self, request: Request, id: str) -> Response:
        known = id_in(id)
        maybe = _may_be_in_kafka(known, timezone.now())
        # No hooks: what has a dead letter is not cancelled.
        stands = cancel(known, client=caller_of(request).client, hooks=NO_HOOKS, may_be_in_kafka=maybe)
        if stands is None:
            raise no_such(known)
        if stands is not Status.CANCELLED:
            return Response({"detail": _why(stands), "code": "too_late", "status": stands.value}, status=409)
        return Response({"id": str(known), "status": stands.value})


def _may_be_in_kafka(id: UUID, now: datetime) -> bool:
    """Returns whether an id of which there is no row can be that of a record, by the time in it.

    Whatever somebody asks for, no row is made of a day that retention has removed or that is still to come.
    """
    accepted_at, days = time_of(id), settings.RETENTION_DAYS
    kept = not days or accepted_at >= now - timedelta(days=days)
    return kept and accepted_at <= now + CLOCKS_DIFFER


def _why(status: Status) -> str:
    if Is.FINAL in status.traits:
        return f"It is too late: it has ended, and is {status}."
    if status is Status.SENDING:
        return "It is too late: it is being sent."
    return "It is too late: it was tried before and may have arrived, or staff are sending it again."
