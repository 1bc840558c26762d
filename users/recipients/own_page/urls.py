"""The page, and the call that gives its address."""

from __future__ import annotations

from django.urls import path

from users.recipients.own_page.calls import PageOf
from users.recipients.own_page.views import own_page

urlpatterns = [
    path("users/<str:username>/preferences/link", PageOf.as_view()),
    path("p/<str:token>", own_page),
]
