"""Which group may open which page of the admin, and which may post to it: a table, and every page must be in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from dlq.admin.problems import problem_page
from dlq.admin.runs import run_pages
from dlq.admin.verbs import verb_pages
from dlq.models import Mending
from notifications.scheduling import job_rows
from tests.desk import logged_in, member_of
from tests.project.desk.test_permissions import everything, harm, rows

__all__ = ["rows"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]  # rights are the same on PostgreSQL

GROUPS = ("Viewer", "Agent", "Supervisor", "Administrator")
NOBODY = "superusers alone, or nobody"
IN_ORDER = (*GROUPS, NOBODY)

# The first group that may open a page, the first that may post to it → the pages, each with its verbs.
TABLE = {
    ("Viewer", NOBODY): """
        dlq_deadletter_change dlq_deadletter_history dlq_problem_change dlq_problem_history
        dlq_run_changelist dlq_run_change dlq_run_history dlq_run_progress dlq_mending_change dlq_mending_progress
        notifications_notification_change notifications_notification_history
        notifications_sandboxmessage_changelist notifications_sandboxmessage_change
        notifications_sandboxmessage_history notifications_category_history
        notifications_breakerevent_changelist notifications_breakerevent_change notifications_breakerevent_history
        notifications_pause_changelist notifications_pause_change notifications_pause_history
        notifications_receipt_changelist notifications_receipt_change notifications_receipt_history
        users_user_history users_device_history users_suppression_change users_suppression_history""",
    ("Viewer", "Viewer"): "users_suppression_find",  # it only looks
    ("Viewer", "Supervisor"): "users_suppression_changelist",
    ("Viewer", "Agent"): """
        dlq_deadletter_changelist dlq_problem_changelist notifications_notification_changelist
        users_device_changelist users_device_change""",
    ("Viewer", "Administrator"): """
        users_user_changelist users_user_change notifications_category_changelist notifications_category_change""",
    ("Agent", "Agent"): """
        dlq_deadletter_verb:replay dlq_deadletter_verb:mark-sent
        notifications_notification_try_now notifications_notification_reveal
        dlq_problem_verb:take dlq_problem_verb:leave dlq_problem_verb:known dlq_problem_verb:fixed
        dlq_problem_verb:ignore dlq_problem_verb:watch dlq_problem_verb:note
        dlq_run_ask dlq_run_verb:pause dlq_run_verb:resume dlq_run_verb:stop users_device_add""",
    ("Agent", NOBODY): "dlq_deadletter_matching:replay dlq_deadletter_matching:mark-sent",  # they only ask
    ("Supervisor", "Supervisor"): """
        dlq_deadletter_verb:discard dlq_deadletter_repair dlq_deadletter_redirect
        dlq_run_verb:approve dlq_run_verb:refuse dlq_mend_ask users_device_delete
        notifications_pause_begin notifications_pause_resume users_suppression_suppress users_suppression_lift
        dlq_deadletter_export notifications_notification_export""",
    ("Supervisor", NOBODY): """
        dlq_deadletter_matching:discard notifications_job_change notifications_job_history
        notifications_workerheartbeat_changelist notifications_workerheartbeat_change
        notifications_workerheartbeat_history notifications_staffaction_changelist
        notifications_staffaction_change notifications_staffaction_history""",
    ("Supervisor", "Administrator"): "notifications_job_changelist",
    ("Administrator", "Administrator"): """
        auth_user_changelist auth_user_add users_user_add users_user_delete
        users_apikey_changelist users_apikey_add users_apikey_revoke users_apikey_limits
        notifications_job_verb:pause notifications_job_verb:resume notifications_job_verb:cancel
        notifications_pause_read_only notifications_pause_end_read_only
        notifications_category_add notifications_category_delete""",
    # The row of the account is a superuser, whom no administrator changes.
    ("Administrator", NOBODY): """
        auth_user_change auth_user_history auth_group_changelist auth_group_change auth_group_history
        users_apikey_change users_apikey_history""",
    (NOBODY, NOBODY): """
        auth_user_password_change auth_user_delete auth_group_add auth_group_delete users_apikey_delete
        axes_accessfailurelog_changelist axes_accessfailurelog_add axes_accessfailurelog_history
        axes_accessfailurelog_delete axes_accessfailurelog_change
        otp_totp_totpdevice_changelist otp_totp_totpdevice_add otp_totp_totpdevice_history
        otp_totp_totpdevice_delete otp_totp_totpdevice_change
        dlq_deadletter_add dlq_deadletter_delete dlq_problem_add dlq_problem_delete dlq_run_add dlq_run_delete
        notifications_notification_add notifications_notification_delete
        notifications_sandboxmessage_add notifications_sandboxmessage_delete
        notifications_workerheartbeat_add notifications_workerheartbeat_delete
        notifications_breakerevent_add notifications_breakerevent_delete
        notifications_job_add notifications_job_delete notifications_pause_add notifications_pause_delete
        notifications_staffaction_add notifications_staffaction_delete
        notifications_receipt_add notifications_receipt_delete
        users_suppression_add users_suppression_delete""",
}
EXPECTED = {page: who for who, pages in TABLE.items() for page in pages.split()}
VERBS: Mapping[str, Any] = {
    "dlq_deadletter_verb": verb_pages.VERBS,
    "dlq_deadletter_matching": verb_pages.VERBS,
    "dlq_problem_verb": problem_page.VERBS,
    "dlq_run_verb": run_pages.VERBS,
    "notifications_job_verb": job_rows.VERBS,
}


def pages(rows: dict[type[Model], Any]) -> Iterator[tuple[str, str]]:
    """Yields the name of every page of the admin, and its address for a row that is there."""
    for model, model_admin in admin.site._registry.items():
        for pattern in model_admin.get_urls():
            wanted = pattern.pattern.converters
            for verb in VERBS[str(pattern.name)] if "name" in wanted else ("",) if pattern.name else ():
                known = {"what": "content", "name": verb, "mending_id": rows[Mending].pk}
                values = {name: known.get(name, rows[model].pk) for name in wanted}
                name = f"{pattern.name}:{verb}" if verb else str(pattern.name)
                yield name, reverse(f"admin:{pattern.name}", kwargs=values)


def test_every_page_is_in_the_table(rows: dict[type[Model], Any]) -> None:
    assert sorted(name for name, _ in pages(rows)) == sorted(EXPECTED)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_opens_these_pages_and_posts_to_these(group: str, rows: dict[type[Model], Any]) -> None:
    client, values = logged_in(member_of(group)), harm(rows)
    before, wrong = everything(), []
    allowed_to_post = []
    for name, address in pages(rows):
        opens, posts = (IN_ORDER.index(group) >= IN_ORDER.index(first) for first in EXPECTED[name])
        question = "" if name.endswith("changelist") else f"?ids={values['ids']}"
        if (client.get(f"{address}{question}").status_code != 403) != opens:
            wrong.append(f"GET {name}")
        if posts:
            allowed_to_post.append((name, address))
        elif client.post(address, values | {"action": "delete_selected"}).status_code != 403:
            wrong.append(f"POST {name}")
    assert everything() == before
    wrong += [f"POST {name}" for name, address in allowed_to_post if not _takes(client, address, values)]
    assert wrong == []


def _takes(client: Client, address: str, values: dict[str, Any]) -> bool:
    """Returns True where a post is not refused. What it changed is rolled back."""
    with transaction.atomic():
        status = client.post(address, values | {"action": "nothing"}).status_code
        transaction.set_rollback(True)
    return status < 400


def test_what_a_group_may_not_do_is_no_action_of_a_list_either(
    agent: Client, viewer: Client, rows: dict[type[Model], Any]
) -> None:
    before, values = everything(), harm(rows)
    page = reverse("admin:dlq_deadletter_changelist")
    answer = agent.post(page, values | {"action": "discard_selected"}, follow=True).content.decode()
    assert "Discard the selected" not in answer
    assert 'name="reason"' not in answer
    assert viewer.post(page, values | {"action": "replay_selected"}).status_code == 403
    assert everything() == before


def test_over_a_list_stand_the_buttons_that_a_group_may_use(
    viewer: Client, agent: Client, supervisor: Client, rows: dict[type[Model], Any]
) -> None:
    page = reverse("admin:dlq_deadletter_changelist")
    found = [
        tuple(
            words in client.get(page).content.decode() for words in ("Replay all that match", "Discard all that match")
        )
        for client in (viewer, agent, supervisor)
    ]
    assert found == [(False, False), (True, False), (True, True)]
