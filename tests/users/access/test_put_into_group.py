"""`manage.py put_into_group` puts staff into a group and records it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from notifications.models import StaffAction
from tests.desk import member_of

pytestmark = pytest.mark.django_db


def test_an_account_is_put_into_a_group_and_into_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    bert = member_of("Viewer", "bert")
    User.objects.filter(pk=bert.pk).update(is_staff=False)
    call_command("put_into_group", "bert", "supervisor")
    bert.refresh_from_db()
    assert ([group.name for group in bert.groups.all()], bert.is_staff) == (["Supervisor"], True)
    assert "bert is in the group Supervisor." in capsys.readouterr().out
    action = StaffAction.objects.get()
    assert (action.actor, action.target, action.before, action.after) == (
        *("manage.py", "account bert"),
        *("Viewer", "Supervisor"),
    )


@pytest.mark.parametrize(("name", "group", "words"), [("nobody", "Agent", "no account"), ("bert", "Agents", "Viewer")])
def test_what_does_not_exist_is_named(name: str, group: str, words: str) -> None:
    member_of("Viewer", "bert")
    with pytest.raises(CommandError, match=words):
        call_command("put_into_group", name, group)
    assert not StaffAction.objects.exists()
