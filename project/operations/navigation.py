"""The sidebar of the admin: what support staff need first, the workers last."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

# Group → (title, icon, app_model).
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
    return [_item(title, icon, name) for title, icon, name in pages if _may_see(request, name)]


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    badge = {"badge": "project.operations.dashboard.open_letters_badge"} if name == "dlq_deadletter" else {}
    return {"title": title, "icon": icon, "link": reverse(f"admin:{name}_changelist"), **badge}


def _may_see(request: HttpRequest, name: str) -> bool:
    app, model = name.split("_", 1)
    return any(request.user.has_perm(f"{app}.{right}_{model}") for right in ("view", "change"))
