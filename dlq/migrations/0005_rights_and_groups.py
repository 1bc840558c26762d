"""Makes the rights of the desk, gives whoever had Django's permissions the rights to do what they could do before,
and makes four groups.

The words stand here as they were then: this does not change when the code does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import migrations

RIGHTS = [
    ("see_receiver", "Can see whole receivers"),
    ("see_content", "Can see what notifications contain"),
    ("reveal", "Can see subjects, and one content or receiver at a time for a reason"),
    ("try_now", "Can make what waits due at once"),
    ("replay", "Can replay a few letters"),
    ("replay_many", "Can replay any number of letters"),
    ("discard", "Can discard letters"),
    ("edit_content", "Can change what a notification says"),
    ("redirect", "Can change a receiver"),
    ("mend_many", "Can correct many letters at once"),
    ("approve", "Can approve the run of another person"),
    ("export", "Can download lists"),
    ("manage_staff", "Can make accounts of staff and put them into groups"),
]

# What Django's permission allowed before → the rights that allow it now.
OF_LETTERS = ("see_receiver", "see_content", "replay", "replay_many", "discard", "edit_content", "redirect")
BEFORE = {
    ("dlq", "view_deadletter"): ("see_content",),
    ("dlq", "change_deadletter"): OF_LETTERS,
    ("notifications", "view_notification"): ("see_content",),
    ("notifications", "change_notification"): ("see_content", "see_receiver", "try_now"),
    ("notifications", "view_sandboxmessage"): ("see_content",),
    ("notifications", "change_sandboxmessage"): ("see_content", "see_receiver"),
}

VIEWER = [
    *("dlq.view_deadletter", "dlq.view_problem", "dlq.view_run"),
    *("notifications.view_notification", "notifications.view_category", "notifications.view_sandboxmessage"),
    *("notifications.view_breakerevent", "users.view_user", "users.view_device"),
]
AGENT = [
    *VIEWER,
    *("dlq.see_receiver", "dlq.reveal", "dlq.try_now", "dlq.replay", "dlq.change_problem"),
    *("users.add_device", "users.change_device"),
]
SUPERVISOR = [
    *AGENT,
    *("dlq.see_content", "dlq.replay_many", "dlq.discard", "dlq.edit_content", "dlq.redirect", "dlq.mend_many"),
    *("dlq.approve", "dlq.export", "users.delete_device"),
    *("notifications.view_staffaction", "notifications.view_job", "notifications.view_workerheartbeat"),
]
ADMINISTRATOR = [
    *SUPERVISOR,
    *("dlq.manage_staff", "auth.view_user", "auth.view_group", "notifications.change_job"),
    *("users.add_user", "users.change_user", "users.delete_user"),
    *("users.view_apikey", "users.add_apikey", "users.change_apikey"),
    *("notifications.add_category", "notifications.change_category", "notifications.delete_category"),
]
GROUPS = {"Viewer": VIEWER, "Agent": AGENT, "Supervisor": SUPERVISOR, "Administrator": ADMINISTRATOR}


def make_rights_and_groups(apps: Any, schema_editor: Any) -> None:
    """Adds what is missing, and takes nothing away. Whoever migrates reads who has got something by it.

    Old permissions become rights the first time alone: afterwards a viewer has Django's permission without the right.
    """
    was_done = apps.get_model("auth", "Permission").objects.filter(codename="reveal").exists()
    rights = {codename: _permission(apps, "dlq", "deadletter", codename, name) for codename, name in RIGHTS}
    kept = [] if was_done else _keep_what_staff_could_do(apps, rights)
    for line in [*kept, *_make_groups(apps)]:
        print(f"\n    {line}", end="")


def _keep_what_staff_could_do(apps: Any, rights: dict[str, Any]) -> Iterable[str]:
    Permission = apps.get_model("auth", "Permission")
    for (app, codename), given in BEFORE.items():
        old = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
        new = [rights[each] for each in given]
        groups = list(old.group_set.all()) if old else []
        accounts = list(old.user_set.all()) if old else []
        for group in groups:
            group.permissions.add(*new)
        for account in accounts:
            account.user_permissions.add(*new)
        if groups or accounts:
            yield (
                f"{app}.{codename}: {len(groups)} groups and {len(accounts)} accounts now have {', '.join(given)}, "
                "to do what they could do before."
            )


def _make_groups(apps: Any) -> Iterable[str]:
    Group = apps.get_model("auth", "Group")
    for name, permissions in GROUPS.items():
        group, made = Group.objects.get_or_create(name=name)
        before = group.permissions.count()
        group.permissions.add(*(_named(apps, permission) for permission in permissions))
        if not made and (more := group.permissions.count() - before):
            yield f"The group {name} was there: it has {more} permissions more, and keeps its members and its own."


def _named(apps: Any, permission: str) -> Any:
    app, codename = permission.split(".")
    action, _, model = codename.partition("_")
    known = dict(RIGHTS)
    if app == "dlq" and codename in known:
        return _permission(apps, "dlq", "deadletter", codename, known[codename])
    words = apps.get_model(app, model)._meta.verbose_name_raw if app != "auth" else model
    return _permission(apps, app, model, codename, f"Can {action} {words}")


def _permission(apps: Any, app: str, model: str, codename: str, name: str) -> Any:
    """Returns the permission. On a new database Django makes it after all migrations, and then finds it made."""
    ContentType = apps.get_model("contenttypes", "ContentType")
    kind, _ = ContentType.objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": name}
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [
        ("dlq", "0004_copy_from_notifications"),
        ("users", "0003_people_apart_from_accounts"),
        ("notifications", "0008_minutes_and_standings"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(name="deadletter", options={"ordering": ["-id"], "permissions": RIGHTS}),
        migrations.RunPython(make_rights_and_groups, migrations.RunPython.noop),
    ]
