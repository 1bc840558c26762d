"""Lets the groups that we come with see what providers reported and belongs to no notification."""

from importlib import import_module

from django.db import migrations

first = import_module("dlq.migrations.0005_rights_and_groups")
SEE = ("view_receipt", "Can view receipt")
GROUPS = ("Viewer", "Agent", "Supervisor", "Administrator")


def give_rights(apps, schema_editor):
    """Gives it to those of the groups that are still there."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(first._permission(apps, "notifications", "receipt", *SEE))


class Migration(migrations.Migration):
    dependencies = [("dlq", "0014_right_to_set_choices"), ("notifications", "0020_receipts")]
    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
