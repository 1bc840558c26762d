"""Makes the rights to pause and to make the platform read-only, and gives them to the groups that we come with.

The words stand here as they were then: this does not change when the code does.
"""

from importlib import import_module

from django.db import migrations

first = import_module("dlq.migrations.0005_rights_and_groups")
NEW = [
    ("pause", "Can pause and resume channels, providers, categories and clients"),
    ("maintain", "Can make the platform read-only"),
]
RIGHTS = [*first.RIGHTS[:-1], *NEW, first.RIGHTS[-1]]
RIGHTS_OF = {"Supervisor": ["pause"], "Administrator": ["pause", "maintain"]}
SEES = ("Viewer", "Agent", "Supervisor", "Administrator")  # the pauses, which the overview names


def give_rights(apps, schema_editor):
    """Gives them to those of the groups that are still there."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=SEES):
        rights = [first._permission(apps, "dlq", "deadletter", name, dict(NEW)[name]) for name in RIGHTS_OF.get(group.name, ())]
        group.permissions.add(first._permission(apps, "notifications", "pause", "view_pause", "Can view pause"), *rights)


class Migration(migrations.Migration):
    dependencies = [("dlq", "0011_database_defaults"), ("notifications", "0013_pauses")]
    operations = [
        migrations.AlterModelOptions(name="deadletter", options={"ordering": ["-id"], "permissions": RIGHTS}),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]
