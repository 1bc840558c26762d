"""GET: where notifications stand. A client sees those it sent, and no others."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from msgspec import UNSET
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications.api import openapi, schemas
from notifications.api.query import UUID_TEXT, NotificationQuery, apply_filters, by_one_index, by_receiver
from notifications.api.submit import SubmitBatch
from notifications.messages.ids import time_of
from notifications.messages.words import Status
from notifications.models import IdempotencyKey, Notification, NotificationQuerySet
from project.web.paging import NewestFirst, PagedList
from users.access.authentication import caller_of, knows_users


class NotYetKnown(NotFound):
    default_code = "not_yet_known"
    default_detail = (
        "The ledger has no such notification. One that was just accepted appears when a sender claims it; "
        "one sent with an idempotency key is known at once."
    )


class ReadOne(APIView):
    """GET /notification/<id>."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(**openapi.READ_ONE)
    def get(self, request: Request, id: str) -> Response:
        known = id_in(id)
        mine = _without_texts().filter(client=caller_of(request).client)
        found = mine.filter(id=known).first() or _accepted_with_key(known, caller_of(request).client)
        return Response(schemas.NotificationDetail(found, context={"request": request}).data)


@extend_schema_view(get=extend_schema(**openapi.LIST))
class ListOrSubmit(SubmitBatch, PagedList[Notification]):
    """GET /notifications; its POST is SubmitBatch's."""

    scopes: ClassVar = {"GET": "read", "POST": "send"}
    queryset = Notification.objects.none()
    serializer_class = schemas.NotificationRow
    pagination_class = NewestFirst
    shape = NotificationQuery
    query: NotificationQuery

    def get_queryset(self) -> NotificationQuerySet:
        """The rows of all clients that one index leads to: what a page reads."""
        return apply_filters(_without_texts(), self.query, by_one_index(self.query))

    def narrow(self, rows: NotificationQuerySet) -> NotificationQuerySet:
        """Those among them that this client asked for and may see."""
        caller = caller_of(self.request)
        if self.query.receiver is not UNSET and not knows_users(caller):
            rows = rows.filter(user="")  # else the filter would confirm a guess at a user's address
        return apply_filters(rows.filter(client=caller.client), self.query)

    def parts(self, rows: NotificationQuerySet) -> list[NotificationQuerySet]:
        return by_receiver(rows, self.query)


def id_in(path: str) -> UUID:
    """Returns the id that a path names. Raises Http404 where it can be none of ours."""
    if not re.fullmatch(UUID_TEXT, path) or (known := UUID(path)).version != 7:
        raise Http404
    return known


def no_such(id: UUID) -> NotFound:
    """Returns why there is no notification of this id, for a client that asks for it."""
    days = settings.RETENTION_DAYS
    if days and time_of(id) < timezone.now() - timedelta(days=days):
        return NotFound(f"There is no such notification. Each is removed {days} days after it was accepted.")
    return NotYetKnown()


def _without_texts() -> NotificationQuerySet:
    """Notifications without their texts, which no answer shows and which can be half a megabyte each."""
    return Notification.objects.defer("message", "html")


def _accepted_with_key(id: UUID, client: str) -> Notification:
    """A row in the ledger's shape, of what was accepted with an idempotency key and not claimed yet."""
    if not IdempotencyKey.objects.filter(notification_id=id, client=client).exists():
        raise no_such(id)
    return Notification(id=id, client=client, status=Status.ACCEPTED, accepted_at=time_of(id))
