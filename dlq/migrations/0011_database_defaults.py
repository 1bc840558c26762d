"""Gives the columns that letters got since 1.0 defaults in the database.

Processes of the version before do not name them, and go on while the database is migrated.
"""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
OPERATIONS = [
    migrations.AlterField(
        model_name="deadletter",
        name="category",
        field=models.CharField(blank=True, db_default="", default="", max_length=100),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="client",
        field=models.CharField(blank=True, db_default="", default="", max_length=100),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="provider",
        field=models.CharField(blank=True, db_default="", default="", max_length=64),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="receiver_domain",
        field=models.CharField(blank=True, db_default="", default="", max_length=255),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="receiver_hash",
        field=models.CharField(blank=True, db_default="", default="", max_length=32),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="repeats",
        field=models.IntegerField(db_default=1, default=1),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="uncertain",
        field=models.BooleanField(db_default=False, default=False),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="user",
        field=models.CharField(blank=True, db_default="", default="", max_length=150),
    ),
    migrations.AlterField(
        model_name="deadletter",
        name="was_receiver_hash",
        field=models.CharField(blank=True, db_default="", default="", max_length=32),
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("dlq", "0010_find_odd_letters"),
    ]

    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
