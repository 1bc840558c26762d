"""An index of the rows that were folded into a digest. On PostgreSQL readers and writers go on meanwhile."""

from functools import partial
from importlib import import_module

from django.db import migrations, models

settle = import_module("notifications.migrations.0007_settle_without_an_index")
WHAT = "(digest_id) WHERE digest_id IS NOT NULL"


def make_index(schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for table in settle.leaves(cursor):
            settle.make_index(cursor, f"{table}_digest"[:63], table, WHAT)
        statement = f"CREATE INDEX IF NOT EXISTS ledger_digest ON {settle.LEDGER} {WHAT}"
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
            condition=models.Q(("digest_id__isnull", False)), fields=["digest_id"], name="ledger_digest"
        ),
    ),
]


class Migration(migrations.Migration):
    atomic = False  # an index that is made beside other work cannot be made inside a transaction
    dependencies = [("notifications", "0018_digests")]
    operations = [MakeIndex(database_operations=OPERATIONS, state_operations=OPERATIONS)]
