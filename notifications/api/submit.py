"""POST: notifications come in. Key, media type, length, bytes to drafts, `intake.accept`; nothing else.

Django REST framework's dispatch, negotiation and rendering would cost as much again as the whole of this, so a
POST goes past them; every other method takes its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from msgspec import UNSET, UnsetType
from rest_framework.views import APIView

from notifications.api import openapi
from notifications.intake.accept import Accepted, Rights, accept
from notifications.intake.refused import Conflict, Refused, TooLarge
from notifications.intake.suppressed import addresses
from notifications.messages.draft import Draft, read_batch, read_request
from notifications.messages.explain import Invalid
from notifications.messages.fields import LONGEST_KEY
from notifications.messages.tracing import trace_id_of
from notifications.messages.words import SuppressedFor
from project.web.body import MAX_BATCH_BODY, MAX_BODY, Call, read_body
from project.web.errors import JSON, Answer, answer_to, as_json
from users.access.authentication import identify, knows_users, require, require_channels
from users.access.keys import Caller

KEY_HEADER = "Idempotency-Key"


class LeanPost(APIView):
    """A view whose `post` is called with a request and its caller; what it raises becomes the answer."""

    post: Callable[[Call, Caller], Answer]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        status, body, headers = self.answer(request)
        return HttpResponse(body, status=status, content_type=JSON, headers=headers)

    def answer(self, request: Call) -> Answer:
        """Returns the answer to a POST, whatever is wrong. project/short_way.py calls this without Django's request."""
        try:
            caller = identify(request)
            require(caller, "send")
            return self.post(request, caller)
        except Exception as error:
            return as_json(*answer_to(error, trace_id=trace_id_of(request.META.get("HTTP_TRACEPARENT", ""))))

    @staticmethod
    def accepted(request: Call, caller: Caller, drafts: Sequence[Draft], keys: Sequence[str | None]) -> Accepted:
        """Accepts the drafts. Raises PermissionDenied, and what `accept` raises."""
        require_channels(caller, (draft.type for draft in drafts if draft.type is not UNSET))
        # The caller's trace; what is not well-formed is dropped where records are made.
        traceparent = str(request.META.get("HTTP_TRACEPARENT", ""))
        return accept(drafts, client=caller.client, keys=keys, traceparent=traceparent, rights=rights_of(caller))


class SubmitOne(LeanPost):
    """POST /notification."""

    scopes: ClassVar = {"POST": "send"}

    @extend_schema(**openapi.SUBMIT_ONE)
    def post(self, request: Call, caller: Caller) -> Answer:
        key = read_key(request)
        draft = read_request(read_body(request, MAX_BODY))
        try:
            accepted = self.accepted(request, caller, [draft], [key])
        except Refused as refused:
            return as_json(status_of(refused), refused.errors[0])
        new = str(accepted.ids[0])
        why = addresses.reasons(accepted.records).get(0)
        suppressed = f',"suppressed":"{why}"' if why else ""
        headers = {"Location": f"/notification/{new}"}
        return 202, f'{{"id":"{new}","status":"accepted"{suppressed}}}'.encode(), headers


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the answer to a batch says of an item."""

    id: UUID
    status: str = "accepted"
    suppressed: SuppressedFor | UnsetType = UNSET


class SubmitBatch(LeanPost):
    """POST /notifications."""

    @extend_schema(**openapi.SUBMIT_BATCH)
    def post(self, request: Call, caller: Caller) -> Answer:
        if "HTTP_IDEMPOTENCY_KEY" in request.META:
            raise Invalid({KEY_HEADER: ["A batch takes no such header: give each item its own idempotency_key."]})
        drafts = read_batch(read_body(request, MAX_BATCH_BODY))
        try:
            accepted = self.accepted(request, caller, drafts, [draft.idempotency_key or None for draft in drafts])
        except Refused as refused:
            by_position = {str(position): errors for position, errors in sorted(refused.errors.items())}
            return as_json(status_of(refused), {"notifications": by_position})
        # By id, for items with one idempotency key are one notification.
        reasons = {accepted.ids[position]: why for position, why in addresses.reasons(accepted.records).items()}
        entries = [Entry(new, suppressed=reasons.get(new, UNSET)) if reasons else Entry(new) for new in accepted.ids]
        return as_json(202, {"notifications": entries})


def rights_of(caller: Caller) -> Rights:
    """What the key of the caller allows beside its scope `send`."""
    return Rights(
        channels=caller.channels,
        knows_users=knows_users(caller),
        new_categories=settings.NEW_CATEGORIES,
        a_day=caller.a_day,
    )


def read_key(request: Call) -> str | None:
    """The Idempotency-Key header, if there is one. Raises Invalid."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.strip():
        raise Invalid({KEY_HEADER: [f"Must have 1 to {LONGEST_KEY} characters, not all of them blank."]})
    if not key.isascii() or not key.isprintable():
        raise Invalid({KEY_HEADER: ["Must hold printable ASCII characters only."]})
    return key


def status_of(refused: Refused) -> int:
    if isinstance(refused, Conflict):
        return 409
    return 413 if isinstance(refused, TooLarge) else 400
