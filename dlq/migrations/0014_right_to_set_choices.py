"""Makes the right to change what a person chose, and gives it to the groups that we come with.

The words stand here as they were then: this does not change when the code does.
"""

from importlib import import_module

from django.db import migrations

first = import_module("dlq.migrations.0005_rights_and_groups")
before = import_module("dlq.migrations.0012_right_to_pause")
NEW = ("set_choices", "Can change what a person chose, for a reason")
RIGHTS = [*before.RIGHTS[:-1], NEW, before.RIGHTS[-1]]
GROUPS = ("Agent", "Supervisor", "Administrator")


def give_rights(apps, schema_editor):
    """Gives it to those of the groups that are still there."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(first._permission(apps, "dlq", "deadletter", *NEW))


class Migration(migrations.Migration):
    dependencies = [("dlq", "0013_who_sees_suppressions")]
    operations = [
        migrations.AlterModelOptions(name="deadletter", options={"ordering": ["-id"], "permissions": RIGHTS}),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]
