"""The calls about all that there is of one person."""

from __future__ import annotations

from django.urls import path

from project.privacy.views import ExportUser, ForgetUser

urlpatterns = [
    path("users/<str:username>/export", ExportUser.as_view()),
    path("users/<str:username>/forget", ForgetUser.as_view()),
]
