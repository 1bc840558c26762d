"""The support desk: dead letters, their case files, and what can be done about them."""

from __future__ import annotations

from django.contrib import admin

from dlq.admin import letters

admin.site.index_title = "Overview"
admin.site.index_template = "dlq/dashboard.html"

__all__ = ["letters"]
