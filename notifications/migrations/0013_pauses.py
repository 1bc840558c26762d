"""The table of pauses by hand, and an index of the few rows that one has stopped.

On PostgreSQL readers and writers go on while the index is made. Where it was interrupted, running it again goes on.
"""

from functools import partial
from importlib import import_module

from django.db import migrations, models

settle = import_module("notifications.migrations.0007_settle_without_an_index")
WHAT = "(receiver_hash, id) WHERE reason = 'stopped' AND listed IS NOT NULL"


def make_index(schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for table in settle.leaves(cursor):
            settle.make_index(cursor, f"{table}_stopped"[:63], table, WHAT)
        statement = f"CREATE INDEX IF NOT EXISTS ledger_stopped ON {settle.LEDGER} {WHAT}"
        settle.patiently(cursor, partial(cursor.execute, statement))  # takes over those that were made


class MakeIndex(migrations.SeparateDatabaseAndState):
    """The operations as they are, but on PostgreSQL, where the tables are partitioned and in use."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            make_index(schema_editor)
        else:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


OPERATIONS = [
    migrations.AddIndex(
        model_name="notification",
        index=models.Index(
            condition=models.Q(("listed__isnull", False), ("reason", "stopped")),
            fields=["receiver_hash", "id"],
            name="ledger_stopped",
        ),
    ),
]


class Migration(migrations.Migration):
    atomic = False  # an index that is made beside other work cannot be made inside a transaction
    dependencies = [("notifications", "0012_database_defaults")]
    operations = [
        MakeIndex(database_operations=OPERATIONS, state_operations=OPERATIONS),  # first: running it again is possible
        migrations.CreateModel(
            name="Pause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=16)),
                ("name", models.CharField(blank=True, max_length=100)),
                ("actor", models.CharField(max_length=150)),
                ("reason", models.CharField(max_length=1000)),
                ("began_at", models.DateTimeField()),
                ("until", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_by", models.CharField(blank=True, default="", max_length=150)),
                ("released", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)), fields=("kind", "name"), name="pause_once"
                    )
                ],
            },
        ),
    ]
