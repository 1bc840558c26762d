"""What providers tell us afterwards, over HTTP. They have no API key: each call is checked by its signature or secret.

A call is bounded before it is looked at, checked before the database is asked, and answered with 2xx once its events
are stored. A stranger's call is a 4xx and leaves nothing behind. No address is ever locked out for such calls: a
provider's other customers call from the same addresses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.views import APIView

from notifications.channels.email import tracking
from notifications.channels.receipts import Event, NeedsLogin, NotOpen, Refused
from notifications.channels.sms import callbacks as twilio
from notifications.ledger.receipts import take
from project.web.body import read_bytes
from project.web.errors import WrongMediaType, json_response, refusal

FORM = "application/x-www-form-urlencoded"
MOST_OF_A_FORM = 64 * 1024  # bytes; a text of 1,600 characters is percent-encoded, at most nine bytes for one
MOST_OF_EVENTS = 1024 * 1024
NAME_AND_PASSWORD = {"WWW-Authenticate": 'Basic realm="callbacks"'}


class Callback(APIView):
    """A call that a provider makes. What is wrong with it becomes the answer."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names: Sequence[str] = ("post",)
    good: ClassVar[int] = 204

    @abstractmethod
    def events(self, request: HttpRequest, **place: str) -> Sequence[Event]:
        """Returns what the call says. Raises Refused, and what `read_bytes` raises."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """A POST goes past the framework, which would read the body before its signature is checked."""
        return self.post(request, **kwargs) if request.method == "POST" else super().dispatch(request, *args, **kwargs)

    @extend_schema(exclude=True)
    def post(self, request: HttpRequest, **place: str) -> HttpResponse:
        """Answers once what the call says is stored."""
        try:
            take(self.events(request, **place))
        except Refused as error:
            return _answer(error)
        except Exception as error:
            return refusal(error)
        return HttpResponse(status=self.good)


class TwilioStatus(Callback):
    """POST /callbacks/twilio/status."""

    def events(self, request: HttpRequest, **place: str) -> Sequence[Event]:
        return twilio.read_status(*_signed(request))


class TwilioInbound(Callback):
    """POST /callbacks/twilio/inbound."""

    def events(self, request: HttpRequest, **place: str) -> Sequence[Event]:
        return twilio.read_inbound(*_signed(request))


class AnymailTracking(Callback):
    """POST /callbacks/anymail/<provider>/tracking/. Some providers ask with HEAD whether it is there."""

    good = 200
    http_method_names: Sequence[str] = ("post", "head")

    def events(self, request: HttpRequest, **place: str) -> Sequence[Event]:
        provider = place["provider"]
        if not tracking.is_open(provider):
            raise NotOpen
        return tracking.read(provider, request.META, read_bytes(request, MOST_OF_EVENTS))

    @extend_schema(exclude=True)
    def head(self, request: HttpRequest, provider: str) -> HttpResponse:
        return HttpResponse() if tracking.is_open(provider) else _answer(NotOpen())


def _signed(request: HttpRequest) -> tuple[str, bytes, str]:
    """Returns query, body and signature of a call of Twilio's. Raises NotOpen, and what `read_bytes` raises."""
    if not twilio.is_open():
        raise NotOpen
    if request.content_type != FORM:
        raise WrongMediaType(f"Must be {FORM}.")
    body = read_bytes(request, MOST_OF_A_FORM)
    return request.META.get("QUERY_STRING", ""), body, request.META.get("HTTP_X_TWILIO_SIGNATURE", "")


def _answer(error: Refused) -> HttpResponse:
    headers = NAME_AND_PASSWORD if isinstance(error, NeedsLogin) else {}
    return json_response(error.status, {"detail": error.why, "code": error.code}, headers)
