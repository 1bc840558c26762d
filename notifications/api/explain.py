"""GET /explain: would somebody get a notification, when, and why not?"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import UNSET, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications.api import openapi
from notifications.api.query import A_TIME, Channel, User
from notifications.api.schemas import ForetoldShape
from notifications.channels import channel_class
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS, Moment
from notifications.messages.ids import receiver_hash
from project.web.query import describe, parameter, read_query
from users.people.models import Device
from users.recipients.facts import Receiver
from users.recipients.foretell import foretell

Address = Annotated[str, parameter("An address, instead of a user.", "Must not be empty.", min_length=1)]
LONGEST = LENGTHS["category"]
CategoryName = Annotated[
    str,
    parameter("Of the notification.", f"Must have at most {LONGEST} characters.", min_length=1, max_length=LONGEST),
]
At = Annotated[Moment, parameter("Not now, but at this time.", A_TIME)]


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /explain` takes: a user, on one of their devices, or a receiver on a channel."""

    user: User | UnsetType = UNSET
    receiver: Address | UnsetType = UNSET
    category: CategoryName = "default"
    type: Channel | UnsetType = UNSET
    at: At | UnsetType = UNSET


PARAMETERS = [
    OpenApiParameter(each["name"], each["schema"], OpenApiParameter.QUERY, description=each["description"])
    for each in describe(ExplainQuery)
]


class Explain(APIView):
    """The decision that a sender would take."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(parameters=PARAMETERS, **openapi.EXPLAIN)
    def get(self, request: Request) -> Response:
        query = read_query(request, ExplainQuery)
        found = foretell(_receiver(query), query.category, None if query.at is UNSET else query.at)
        decision = found.decision
        shown = {"decision": decision.action, "rule": decision.rule, "why": found.why, "until": decision.until}
        return Response(ForetoldShape(shown).data)


def _receiver(query: ExplainQuery) -> Receiver:
    """Raises Invalid, and Http404 for a user who cannot be reached there."""
    if (query.user is UNSET) == (query.receiver is UNSET):
        raise Invalid({"user": ["Give either user or receiver."]})
    if query.user is not UNSET:
        return _device(query.user, None if query.type is UNSET else query.type)
    if query.type is UNSET:
        raise Invalid({"type": ["This field is required with receiver."]})
    address, channel = str(query.receiver), query.type
    if problem := channel_class(channel).receiver_problem(address):
        raise Invalid({"receiver": [problem]})
    return Receiver("", channel, address, receiver_hash(channel, address))


def _device(username: str, channel: str | None) -> Receiver:
    devices = Device.objects.filter(user__username=username, **({"channel": channel} if channel else {}))
    device = devices.order_by("position", "id").first()
    if device is None:
        raise Http404
    hash = receiver_hash(device.channel, device.address)
    return Receiver(username, device.channel, device.address, hash)
