"""GET, PUT and DELETE /suppressions: the addresses to which nothing is sent, and why."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from msgspec import UNSET, Meta, UnsetType
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.channels import channel_choices, channel_class, channel_names
from notifications.messages.draft import NOT_DECODED
from notifications.messages.explain import Errors, Invalid, explain
from notifications.messages.fields import LENGTHS
from notifications.messages.words import SuppressedFor
from project.web.body import read_body
from project.web.openapi import BODY, refusals
from project.web.paging import CursorPages, PagedList
from project.web.query import PageQuery, cursor, parameter
from users.access.authentication import caller_of
from users.recipients import suppression_verbs
from users.recipients.models import Suppression, SuppressionQuerySet
from users.recipients.suppression import OF_ADDRESSES, REASONS, hashes_of
from users.recipients.suppression_verbs import Named

MAX_BODY = 1024 * 1024
A_CHANNEL = f"Must be one of {', '.join(channel_names())}."
EXAMPLE = {"type": "EMAIL", "receiver": "ann@example.com", "reason": "complained"}

Text = Annotated[str, Meta(min_length=1, max_length=LENGTHS["receiver"])]


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a PUT or DELETE."""

    type: Text
    receiver: Text
    reason: Text
    category: Annotated[str, Meta(max_length=LENGTHS["category"])] | None = None


_decode = msgspec.json.Decoder(Given).decode


class SuppressionEntry(serializers.Serializer[Any]):
    """An address, and why nothing is sent to it."""

    type = serializers.ChoiceField(choices=channel_choices())
    receiver = serializers.CharField(max_length=LENGTHS["receiver"])
    reason = serializers.ChoiceField(choices=REASONS)
    category = serializers.CharField(
        required=False, allow_null=True, max_length=LENGTHS["category"], help_text="Null: nothing at all is sent."
    )


class SuppressionShape(serializers.ModelSerializer[Suppression]):
    """A suppression in force. The platform keeps no address of it, but its hash."""

    type = serializers.ChoiceField(choices=channel_choices(), source="channel")
    receiver_hash = serializers.CharField(source="address_hash")
    reason = serializers.ChoiceField(choices=REASONS)
    category = serializers.SerializerMethodField()
    until = serializers.DateTimeField(allow_null=True, help_text="Null: until it is lifted.")

    class Meta:
        model = Suppression
        fields: ClassVar = ["type", "receiver_hash", "reason", "category", "since", "until", "provider", "evidence"]
        read_only_fields = fields

    def get_category(self, row: Suppression) -> str | None:
        return row.scope or None


_channel = parameter(
    "The channel.",
    A_CHANNEL,
    pattern=rf"\A({'|'.join(channel_names())})\Z",
    extra_json_schema={"enum": channel_names()},
)
_receiver = parameter(
    "In any spelling. Needs the type.", "Must not begin with a space; a + is written %2B.", pattern="^[^ ]"
)


class SuppressionQuery(PageQuery, frozen=True, kw_only=True):
    """What `GET /suppressions` takes."""

    cursor: Annotated[str, cursor("[0-9]{1,18}")] | UnsetType = UNSET
    type: Annotated[str, _channel] | UnsetType = UNSET
    receiver: Annotated[str, _receiver] | UnsetType = UNSET


class ByNewest(CursorPages):
    field = "id"
    descending = True


@extend_schema_view(
    get=extend_schema(
        operation_id="list_suppressions",
        tags=["suppressions"],
        summary="Addresses to which nothing is sent",
        responses={200: SuppressionShape(many=True), **refusals(400)},
    )
)
class Suppressions(PagedList[Suppression]):
    """The suppressions in force, of all clients, and their changes. Each change is recorded with the API key."""

    scopes: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), "users")
    queryset = Suppression.objects.none()
    serializer_class = SuppressionShape
    pagination_class = ByNewest
    shape = SuppressionQuery
    query: SuppressionQuery

    def get_queryset(self) -> SuppressionQuerySet:
        rows, channel, receiver = Suppression.objects.in_force(), self.query.type, self.query.receiver
        if channel is not UNSET:
            rows = rows.filter(channel=channel)
        if receiver is UNSET:
            return rows
        if channel is UNSET:
            raise Invalid({"type": ["Is needed together with receiver."]})
        if errors := address_problems(channel, receiver):
            raise Invalid(errors)
        return rows.filter(address_hash__in=hashes_of(channel, receiver))

    @extend_schema(
        operation_id="suppress",
        tags=["suppressions"],
        summary="Send nothing to an address from now on",
        description="Works within about a second, also for what has been accepted. Recorded with the API key.",
        request=SuppressionEntry,
        responses={200: SuppressionShape, 201: SuppressionShape, **refusals(*BODY)},
        examples=[OpenApiExample("A complaint", value=EXAMPLE, request_only=True)],
    )
    def put(self, request: Request) -> Response:
        named = read_named(read_body(request, MAX_BODY))
        row, is_new = suppression_verbs.suppress(named, caller_of(request).actor)
        return Response(SuppressionShape(row).data, status=201 if is_new else 200)

    @extend_schema(
        operation_id="lift_suppression",
        tags=["suppressions"],
        summary="Send to an address again",
        description=(
            "Lifts one reason; others stay. What was suppressed meanwhile stays unsent. Recorded with the API key."
        ),
        request=SuppressionEntry,
        responses={204: None, **refusals(404, *BODY)},
    )
    def delete(self, request: Request) -> Response:
        if not suppression_verbs.lift(read_named(read_body(request, MAX_BODY)), caller_of(request).actor):
            raise Http404
        return Response(status=204)


def read_named(body: bytes) -> Named:
    """Returns the suppression that a body names. Raises Invalid with everything that is wrong with it."""
    try:
        given = _decode(body)
    except NOT_DECODED as error:
        raise Invalid(explain(body, error, Given)[1]) from None
    errors = address_problems(given.type, given.receiver)
    if given.reason not in OF_ADDRESSES:
        errors["reason"] = [f"Must be one of {', '.join(OF_ADDRESSES)}."]
    if given.category is not None and not given.category.strip():
        errors["category"] = ["Must not be empty."]
    if errors:
        raise Invalid(errors)
    return Named(given.type, given.receiver, SuppressedFor(given.reason), given.category or "")


def address_problems(channel: str, receiver: str) -> Errors:
    """Returns what is wrong with an address, by field."""
    if channel not in channel_names():
        return {"type": [f"Must be one of {', '.join(channel_names())}."]}
    problem = channel_class(channel).receiver_problem(receiver)
    return {"receiver": [problem]} if problem else {}
