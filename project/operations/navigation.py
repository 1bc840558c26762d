"""The sidebar of the admin: what support staff need first, the workers last."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from notifications.channels import channel_names, configured_providers
from notifications.channels.base import NotConfigured
from notifications.models import Standing
from project.operations.links import may_see

MOST_BADGE = 999
# Group → (title, icon, app_model). A page that is not registered is left out.
GROUPS = {
    "Support": [
        ("Problems", "crisis_alert", "dlq_problem"),
        ("Dead letters", "report", "dlq_deadletter"),
        ("Runs", "fast_forward", "dlq_run"),
        ("Notifications", "outgoing_mail", "notifications_notification"),
        ("Sandbox", "science", "notifications_sandboxmessage"),
        ("Staff actions", "history", "notifications_staffaction"),
    ],
    "Directory": [
        ("People", "person", "users_user"),
        ("Devices", "smartphone", "users_device"),
        ("Suppressions", "unsubscribe", "users_suppression"),
        ("Unmatched receipts", "unknown_document", "notifications_receipt"),
        ("Categories", "category", "notifications_category"),
    ],
    "Access": [
        ("API keys", "key", "users_apikey"),
        ("Staff", "badge", "auth_user"),
        ("Groups", "group", "auth_group"),
        ("Second factors", "phonelink_lock", "otp_totp_totpdevice"),
        ("Refused log-ins", "block", "axes_accessfailurelog"),
    ],
    "Workers": [
        ("Pauses", "pause_circle", "notifications_pause"),
        ("Jobs", "checklist", "notifications_job"),
        ("Workers", "memory", "notifications_workerheartbeat"),
        ("Breaker events", "electric_bolt", "notifications_breakerevent"),
    ],
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Returns the groups of the sidebar, with the pages that this person may see. Unfold calls it."""
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    groups = [{"title": title, "items": _items(request, pages)} for title, pages in GROUPS.items()]
    return [{"title": "", "items": [overview]}, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, pages: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [_item(title, icon, name) for title, icon, name in pages if may_see(request, name) and _is_of_use(name)]


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    badge = open_letters() if name == "dlq_deadletter" else ""
    return {"title": title, "icon": icon, "link": reverse(f"admin:{name}_changelist")} | (
        {"badge": badge} if badge else {}
    )


def open_letters() -> str:
    """Returns the number of open letters, as a scheduler counted it last and a badge can show it; "" for none."""
    figures = Standing.objects.filter(pk=Standing.Name.PROBLEMS).values_list("figures", flat=True).first()
    count = sum((figures or {}).values())
    return f"{MOST_BADGE}+" if count > MOST_BADGE else str(count or "")


def _is_of_use(name: str) -> bool:
    """Returns False for the sandbox where no channel goes there."""
    if name != "notifications_sandboxmessage":
        return True
    return settings.SANDBOX_ALLOWED and any(_is_sandbox(channel) for channel in channel_names())


def _is_sandbox(channel: str) -> bool:
    try:
        return not configured_providers(channel)
    except NotConfigured:
        return True
