"""The groups that we come with, and what staff of an installation could do before there were rights of our own."""

from __future__ import annotations

import itertools
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User

from project.desk.rights import Right
from tests.desk import member_of, staff

pytestmark = pytest.mark.django_db

GROUPS = ("Viewer", "Agent", "Supervisor", "Administrator")
migration = import_module("dlq.migrations.0005_rights_and_groups")


def migrate() -> None:
    migration.make_rights_and_groups(apps, None)


def forget() -> None:
    """Takes the database back to before the migration."""
    Group.objects.all().delete()
    Permission.objects.filter(codename__in=[right.codename for right in Right]).delete()


def rights_of(user: User) -> set[str]:
    everything = User.objects.get(pk=user.pk).get_all_permissions()
    return {right.codename for right in Right if right.value in everything}


def test_each_group_has_what_the_one_before_it_has_and_more() -> None:
    found = [set(Group.objects.get(name=name).permissions.values_list("pk", flat=True)) for name in GROUPS]
    for less, more in itertools.pairwise(found):
        assert less < more


def test_a_group_gives_these_rights() -> None:
    agent = {"see_receiver", "reveal", "try_now", "replay", "set_choices"}
    all_of_them = {right.codename for right in Right}
    assert rights_of(member_of("Viewer")) == set()
    assert rights_of(member_of("Agent")) == agent
    assert rights_of(member_of("Supervisor")) == all_of_them - {"manage_staff", "maintain"}
    assert rights_of(member_of("Administrator")) == all_of_them


def test_nobody_gets_the_right_to_write_by_djangos_own_pages() -> None:
    """Letters, notifications, problems' letters and the record are changed by verbs alone."""
    models = ("deadletter", "notification", "staffaction", "run", "sandboxmessage")
    granted = Permission.objects.filter(group__name__in=GROUPS, content_type__model__in=models)
    assert not granted.filter(codename__regex="^(add|change|delete)_").exists()


def test_migrating_again_changes_nothing() -> None:
    def all_of_it() -> list[tuple[str, str]]:
        return list(Group.objects.order_by("name", "permissions__pk").values_list("name", "permissions__codename"))

    before, permissions = all_of_it(), Permission.objects.count()
    migrate()
    assert (all_of_it(), Permission.objects.count()) == (before, permissions)


def test_a_group_of_that_name_keeps_its_members_and_rights(capsys: pytest.CaptureFixture[str]) -> None:
    forget()
    group = Group.objects.create(name="Agent")
    own = Permission.objects.get(codename="view_apikey")
    group.permissions.add(own)
    bert = User.objects.create_user("bert", is_staff=True)
    bert.groups.add(group)
    migrate()
    assert own in group.permissions.all()
    assert list(group.user_set.all()) == [bert]
    assert "replay" in rights_of(bert)
    assert "The group Agent was there: it has 16 permissions more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("permission", "rights"),
    [
        ("dlq.view_deadletter", {"see_content"}),
        (
            "dlq.change_deadletter",
            {"see_receiver", "see_content", "replay", "replay_many", "discard", "edit_content", "redirect"},
        ),
        ("notifications.view_notification", {"see_content"}),
        ("notifications.change_notification", {"see_content", "see_receiver", "try_now"}),
        ("notifications.change_sandboxmessage", {"see_content", "see_receiver"}),
        ("notifications.view_category", set()),
        ("users.change_device", set()),
        ("auth.change_user", set()),
    ],
)
def test_staff_can_do_afterwards_what_they_could_do_before(
    permission: str, rights: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    forget()
    account = staff("bert", permission)
    in_a_group = User.objects.create_user("carl", is_staff=True)
    group = Group.objects.create(name="Our own")
    group.permissions.set(account.user_permissions.all())
    in_a_group.groups.add(group)
    migrate()
    assert rights_of(account) == rights_of(in_a_group) == rights
    assert (f"{permission}: 1 groups and 1 accounts" in capsys.readouterr().out) == bool(rights)


def test_the_words_of_the_rights_are_those_of_the_code() -> None:
    newest = import_module("dlq.migrations.0014_right_to_set_choices")
    assert [(right.codename, right.in_words) for right in Right] == newest.RIGHTS
