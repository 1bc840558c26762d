"""The support desk: dead letters and notifications, their pages, and what can be done about them."""

from __future__ import annotations

from django.contrib import admin

from dlq.admin.finding import site_pages
from dlq.admin.lists import letter_list, notification_list
from dlq.admin.problems import problem_list
from dlq.admin.runs import run_pages

admin.site.index_title = "Overview"
admin.site.index_template = "desk/dashboard.html"

__all__ = ["letter_list", "notification_list", "problem_list", "run_pages", "site_pages"]
