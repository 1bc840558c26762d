"""The calls of the notification API. None of ours has a trailing slash; one has that anymail's users know."""

from __future__ import annotations

from django.urls import path

from notifications.api.callbacks import AnymailTracking, TwilioInbound, TwilioStatus
from notifications.api.cancel import ReadOrCancel
from notifications.api.categories import Categories, OneCategory
from notifications.api.explain import Explain
from notifications.api.read import ListOrSubmit
from notifications.api.submit import SubmitOne

urlpatterns = [
    path("notification", SubmitOne.as_view()),
    path("notification/<str:id>", ReadOrCancel.as_view()),
    path("explain", Explain.as_view()),
    path("categories", Categories.as_view()),
    path("categories/<path:name>", OneCategory.as_view()),
    path("notifications", ListOrSubmit.as_view()),
    path("callbacks/twilio/status", TwilioStatus.as_view()),
    path("callbacks/twilio/inbound", TwilioInbound.as_view()),
    path("callbacks/anymail/<str:provider>/tracking/", AnymailTracking.as_view()),
]
