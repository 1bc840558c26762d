"""The calls about what people chose."""

from __future__ import annotations

from django.urls import path

from users.recipients.views import PreferencesOf

urlpatterns = [
    path("users/<str:username>/preferences", PreferencesOf.as_view()),
]
