"""The ledger's column `send_at`: the time before which a notification is not sent.

It has no index: what is scheduled waits with that time as its `due_at`, which has one.
"""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
OPERATIONS = [
    migrations.AddField(
        model_name="notification",
        name="send_at",
        field=models.DateTimeField(blank=True, null=True),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("notifications", "0016_rules_of_categories")]
    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
