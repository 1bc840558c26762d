"""Two indexes for people who look for a cause or a reason. On PostgreSQL readers and writers go on meanwhile."""

from functools import partial
from importlib import import_module

from django.db import migrations, models

settle = import_module("notifications.migrations.0007_settle_without_an_index")
INDEXES = {
    "cause": f"(last_cause, id) WHERE listed IN ({settle.RARE})",
    "reason": "(reason, id) WHERE listed = 'waiting'",
}


def make_indexes(schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for name, what in INDEXES.items():
            for table in settle.leaves(cursor):
                settle.make_index(cursor, f"{table}_{name}"[:63], table, what)
            statement = f"CREATE INDEX IF NOT EXISTS ledger_{name} ON {settle.LEDGER} {what}"
            settle.patiently(cursor, partial(cursor.execute, statement))  # takes over those that were made


class MakeIndexes(migrations.SeparateDatabaseAndState):
    """The operations as they are, but on PostgreSQL, where the tables are partitioned and in use."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            make_indexes(schema_editor)
        else:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


RARE = ["accepted", "waiting", "held", "dead", "expired"]
OPERATIONS = [
    migrations.AddIndex(
        model_name="notification",
        index=models.Index(condition=models.Q(("listed__in", RARE)), fields=["last_cause", "id"], name="ledger_cause"),
    ),
    migrations.AddIndex(
        model_name="notification",
        index=models.Index(condition=models.Q(("listed", "waiting")), fields=["reason", "id"], name="ledger_reason"),
    ),
]


class Migration(migrations.Migration):
    atomic = False  # an index that is made beside other work cannot be made inside a transaction
    dependencies = [("notifications", "0010_find_staff_actions")]
    operations = [MakeIndexes(database_operations=OPERATIONS, state_operations=OPERATIONS)]
