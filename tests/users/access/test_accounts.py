"""The pages of staff: who gets in, and who decides about access."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from notifications.models import StaffAction
from tests.desk import PASSWORD, staff, superuser

pytestmark = pytest.mark.django_db

LIST = "admin:auth_user_changelist"
NEW_PASSWORD = {"password1": "another-long-password-9", "password2": "another-long-password-9"}


@pytest.fixture
def manager(db: None) -> Client:
    """Has every permission on accounts and groups that Django knows, and is no superuser."""
    client = Client()
    account = staff("manager")
    account.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(account)
    return client


def page_of(account: User, name: str = "change") -> str:
    return reverse(f"admin:auth_user_{name}", args=[account.pk])


def enters(name: str) -> bool:
    """Whether this name and PASSWORD open the admin."""
    client = Client()
    client.post(reverse("admin:login"), {"username": name, "password": PASSWORD})
    return client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize(
    ("flags", "gets_in"),
    [
        ({"is_staff": True}, True),
        ({"is_staff": True, "is_superuser": True}, True),
        ({"is_superuser": True}, False),
        ({"is_staff": True, "is_active": False}, False),
        ({}, False),
    ],
)
def test_the_staff_flag_alone_opens_the_admin(flags: dict[str, Any], gets_in: bool) -> None:
    User.objects.create_user("anna", password=PASSWORD, **flags)
    assert enters("anna") == gets_in


def test_a_superuser_makes_an_account_that_can_log_in(anna: Client) -> None:
    page = reverse("admin:auth_user_add")
    assert anna.get(page).context["adminform"].form.initial["is_staff"] is True
    new = {"username": "bert", "is_staff": "on", "usable_password": "true", "password1": PASSWORD}
    assert anna.post(page, new | {"password2": PASSWORD}).status_code == 302
    assert User.objects.get(username="bert").is_staff
    assert enters("bert")


def test_a_superuser_changes_rights_and_passwords(anna: Client) -> None:
    account, group = staff("bert"), Group.objects.create(name="Support")
    form = {"username": "bert", "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": [group.pk]}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert anna.post(page_of(account), form | dates).status_code == 302
    page = page_of(account, "password_change")
    assert anna.get(page).status_code == 200
    assert anna.post(page, NEW_PASSWORD | {"usable_password": "true", "set-password": "yes"}).status_code == 302
    account.refresh_from_db()
    assert (account.is_superuser, list(account.groups.all())) == (True, [group])
    assert account.check_password(NEW_PASSWORD["password1"])
    assert anna.post(page_of(account, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="bert").exists()


def test_only_superusers_decide_about_access(manager: Client) -> None:
    boss, myself = superuser("boss", PASSWORD), User.objects.get(username="manager")
    before = list(User.objects.order_by("pk").values("pk", "username", "is_staff", "is_superuser", "password"))
    grasp = {"username": "taken-over", "is_active": "on", "is_staff": "on", "is_superuser": "on", "post": "yes"}
    for account in (boss, myself):
        for name in ("change", "delete", "password_change"):
            page = page_of(account, name)
            assert manager.post(page, grasp | NEW_PASSWORD | {"usable_password": "true"}).status_code == 403, page
    selected: dict[str, Any] = {"action": "delete_selected", "_selected_action": [boss.pk], "index": 0, "post": "yes"}
    assert manager.post(reverse(LIST), selected).status_code == 403
    assert manager.post(reverse("admin:auth_user_add"), grasp | NEW_PASSWORD).status_code == 403
    assert manager.post(reverse("admin:auth_group_add"), {"name": "bosses"}).status_code == 403
    assert list(User.objects.order_by("pk").values(*before[0])) == before
    assert not Group.objects.filter(name="bosses").exists()


def test_who_does_not_decide_sees_nothing_of_an_accounts_rights(manager: Client, anna: Client) -> None:
    boss = User.objects.create_superuser("boss", email="boss@example.com", password=PASSWORD)
    assert "boss@example.com" in anna.get(page_of(boss)).content.decode()
    shown = manager.get(page_of(boss)).content.decode()
    assert "boss@example.com" not in shown
    assert "algorithm" not in shown
    assert "uperuser status" not in shown


def test_a_list_tells_rights_and_is_searched_by_the_beginning_of_the_name(anna: Client) -> None:
    staff("bert")
    User.objects.create_user("berta", is_superuser=True, first_name="Berta", last_name="Blum")

    def listed(query: str) -> list[str]:
        return [account.username for account in anna.get(f"{reverse(LIST)}{query}").context["cl"].result_list]

    assert listed("") == ["anna", "bert", "berta"]
    assert listed("?q=bert") == ["bert", "berta"]
    shown = anna.get(reverse(LIST)).content.decode()
    assert "Berta Blum" in shown
    assert "no access" in shown


def form_of(account: User, *groups: str, **more: str) -> dict[str, Any]:
    keys = [Group.objects.get(name=name).pk for name in groups]
    return {"username": account.username, "is_active": "on", "is_staff": "on", "groups": keys} | more


def test_an_administrator_makes_an_account_and_puts_it_into_a_group(administrator: Client) -> None:
    page = reverse("admin:auth_user_add")
    assert administrator.get(page).status_code == 200
    agents = Group.objects.get(name="Agent")
    new = {"username": "bert", "is_staff": "on", "groups": [agents.pk], "usable_password": "true"}
    assert administrator.post(page, new | {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    bert = User.objects.get(username="bert")
    assert list(bert.groups.all()) == [agents]
    assert enters("bert")
    administrator.post(page_of(bert), form_of(bert, "Supervisor"))
    assert [group.name for group in bert.groups.all()] == ["Supervisor"]
    made, changed = StaffAction.objects.order_by("id")
    assert (made.target, made.before, made.after) == ("account bert", "", "staff, Agent")
    assert (changed.actor, changed.before, changed.after) == ("administrator", "staff, Agent", "staff, Supervisor")


def test_an_administrator_gives_nothing_that_they_do_not_have(administrator: Client) -> None:
    boss, bert = superuser("boss", PASSWORD), staff("bert")
    higher = staff("higher", "notifications.change_staffaction")
    strong = Group.objects.create(name="Strong")
    strong.permissions.set(Permission.objects.filter(codename="delete_staffaction"))
    permissions = list(Permission.objects.filter(codename="delete_staffaction").values_list("pk", flat=True))
    grasp = form_of(bert, "Agent", is_superuser="on") | {"user_permissions": permissions}
    assert "Strong" not in administrator.get(page_of(bert)).content.decode()
    administrator.post(page_of(bert), grasp)
    administrator.post(page_of(bert), form_of(bert, "Agent", "Strong"))
    bert = User.objects.get(pk=bert.pk)
    assert (bert.is_superuser, bert.user_permissions.count(), bert.groups.count()) == (False, 0, 1)
    for account in (boss, higher):
        for name in ("change", "password_change", "delete"):
            forged = form_of(account, "Agent") | NEW_PASSWORD | {"usable_password": "true", "post": "yes"}
            assert administrator.post(page_of(account, name), forged).status_code == 403
    assert User.objects.get(pk=boss.pk).check_password(PASSWORD)
    assert administrator.post(reverse("admin:auth_group_change", args=[strong.pk]), {"name": "x"}).status_code == 403


def test_nobody_becomes_somebody_else_for_the_record(administrator: Client) -> None:
    me = User.objects.get(username="administrator")
    given = {"username": "bert", "is_active": "on", "is_staff": "on", "groups": [me.groups.get().pk]}
    administrator.post(page_of(me), given)
    me.refresh_from_db()
    assert me.username == "administrator"


def test_a_superuser_renames_an_account_and_that_is_flagged(anna: Client) -> None:
    account = staff("bert")
    anna.post(page_of(account), {"username": "berta", "is_active": "on", "is_staff": "on"})
    action = StaffAction.objects.get()
    assert (action.target, action.note, action.flagged) == ("account berta", "renamed from bert", True)


def test_a_new_password_is_recorded_without_it(administrator: Client) -> None:
    bert = staff("bert")
    new = NEW_PASSWORD | {"usable_password": "true", "set-password": "yes"}
    assert administrator.post(page_of(bert, "password_change"), new).status_code == 302
    action = StaffAction.objects.get()
    assert (action.action, action.target, action.note + action.after) == ("let-in-anew", "account bert", "")


def test_a_change_of_a_group_is_recorded_and_flagged(anna: Client) -> None:
    group = Group.objects.get(name="Viewer")
    before = f"{group.permissions.count()} permissions"
    anna.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "Viewer", "permissions": []})
    action = StaffAction.objects.get()
    assert (action.target, action.before, action.after) == ("group Viewer", before, "0 permissions")
    assert action.flagged


def test_the_page_of_an_account_begins_with_its_groups(administrator: Client) -> None:
    shown = administrator.get(page_of(staff("bert"))).content.decode()
    assert shown.index("Supervisor") < shown.index("First name")
    assert "uperuser status" not in shown
    assert "Single permissions" not in shown
