"""The calls of the directory."""

from __future__ import annotations

from django.urls import path

from users.people.views import UserDetail, UserList

urlpatterns = [
    path("users", UserList.as_view()),
    path("users/<str:username>", UserDetail.as_view()),
]
