"""Gives the columns that staff actions and categories got since 1.0 defaults in the database.

Processes of the version before do not name them, and go on while the database is migrated.
"""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
OPERATIONS = [
    migrations.AlterField(
        model_name="category",
        name="sensitive",
        field=models.BooleanField(
            db_default=False,
            default=False,
            help_text="Hides what its notifications contain from staff, and lets nobody change a receiver.",
        ),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="after",
        field=models.CharField(blank=True, db_default="", default="", max_length=255),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="after_hash",
        field=models.CharField(blank=True, db_default="", default="", max_length=32),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="before",
        field=models.CharField(blank=True, db_default="", default="", max_length=255),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="before_hash",
        field=models.CharField(blank=True, db_default="", default="", max_length=32),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="flagged",
        field=models.BooleanField(db_default=False, default=False),
    ),
    migrations.AlterField(
        model_name="staffaction",
        name="reason",
        field=models.CharField(blank=True, db_default="", default="", max_length=1000),
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0011_find_by_cause_and_reason"),
    ]

    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
