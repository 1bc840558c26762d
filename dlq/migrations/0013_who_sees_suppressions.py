"""Lets the groups that we come with see the suppressions of addresses, and supervisors write and lift them."""

from importlib import import_module

from django.db import migrations

first = import_module("dlq.migrations.0005_rights_and_groups")
SEE, CHANGE = ("view_suppression", "Can view suppression"), ("change_suppression", "Can change suppression")
RIGHTS_OF = {"Viewer": [SEE], "Agent": [SEE], "Supervisor": [SEE, CHANGE], "Administrator": [SEE, CHANGE]}


def give_rights(apps, schema_editor):
    """Gives them to those of the groups that are still there."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=RIGHTS_OF):
        rights = [first._permission(apps, "users", "suppression", *right) for right in RIGHTS_OF[group.name]]
        group.permissions.add(*rights)


class Migration(migrations.Migration):
    dependencies = [("dlq", "0012_right_to_pause"), ("users", "0006_recipients")]
    operations = [migrations.RunPython(give_rights, migrations.RunPython.noop)]
