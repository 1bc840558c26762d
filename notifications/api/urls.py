"""The calls of the notification API; none has a trailing slash."""

from __future__ import annotations

from django.urls import path

from notifications.api.cancel import ReadOrCancel
from notifications.api.read import ListOrSubmit
from notifications.api.submit import SubmitOne

urlpatterns = [
    path("notification", SubmitOne.as_view()),
    path("notification/<str:id>", ReadOrCancel.as_view()),
    path("notifications", ListOrSubmit.as_view()),
]
