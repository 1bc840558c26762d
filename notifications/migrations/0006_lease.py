"""The table of leases, and the ledger's column `listed`, which 0007 fills.

A new column needs the whole ledger for a moment. On PostgreSQL a dump, which reads it for an hour, would keep that
moment away, and whoever came later would queue behind it: so it is asked for a second at a time.
"""

import time
from functools import partial

from django.db import OperationalError, migrations, models, transaction

TRIES = 300  # for the lock, a second each
GIVES_WAY = ("55P03", "40P01")  # the lock is not available; a deadlock with somebody's work


def patiently(cursor, step):
    """Take the step under a savepoint; where it cannot have a lock it gives way and comes again."""
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic(using=cursor.db.alias):
                cursor.execute("SET LOCAL lock_timeout = '1s'")
                return step()
        except OperationalError as error:
            if not tries_left or getattr(error.__cause__, "pgcode", None) not in GIVES_WAY:
                raise
            time.sleep(1)


class Patiently(migrations.SeparateDatabaseAndState):
    """The operations as they are, but on PostgreSQL giving way to whoever has the tables."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        step = partial(super().database_forwards, app_label, schema_editor, from_state, to_state)
        if schema_editor.connection.vendor != "postgresql":
            return step()
        with schema_editor.connection.cursor() as cursor:
            patiently(cursor, step)


LISTED = [
    migrations.AddField(
        model_name='notification',
        name='listed',
        field=models.CharField(blank=True, editable=False, max_length=16, null=True),
    ),
]


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0005_pruned_day'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(max_length=32)),
                ('look_at', models.DateTimeField(db_index=True)),
                ('first', models.UUIDField()),
                ('last', models.UUIDField()),
                ('ids', models.BinaryField()),
            ],
        ),
        Patiently(database_operations=LISTED, state_operations=LISTED),  # the last: nothing waits while it has the lock
    ]
