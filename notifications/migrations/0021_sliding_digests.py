"""Digests whose closing is put off by those who join. Processes of the version before name none of it."""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
LIMIT = "Then those seconds begin anew with each, and it goes out so many seconds after the first at most."
OPERATIONS = [
    migrations.AddField(
        model_name="category",
        name="digest_limit",
        field=models.PositiveIntegerField(
            blank=True, help_text=LIMIT, null=True, verbose_name="limit of the digest"
        ),
    ),
    migrations.AddField(
        model_name="digest",
        name="limit_at",
        field=models.DateTimeField(blank=True, null=True),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("notifications", "0020_receipts")]
    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
