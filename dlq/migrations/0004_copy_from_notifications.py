"""Fills what a letter now has of its notification's columns: some thousand letters at a time, so that no sender waits.

Where it was interrupted, running it again does no harm.
"""

from functools import partial
from importlib import import_module

from django.db import migrations

settle = import_module("notifications.migrations.0007_settle_without_an_index")
BATCH = 5000
COPIED = ("provider", "client", "category", "user", "receiver_hash", "expires_at")
NEXT = "SELECT id, notification_id FROM dlq_deadletter WHERE id > %s ORDER BY id LIMIT %s"
FILL = f"""
    UPDATE dlq_deadletter SET {", ".join(f'"{name}" = n."{name}"' for name in COPIED)},
        uncertain = n.uncertain_count > 0
    FROM notifications_notification AS n WHERE n.id = dlq_deadletter.notification_id
        AND n.id BETWEEN %s AND %s AND dlq_deadletter.id BETWEEN %s AND %s
"""


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        after = 0
        while True:
            cursor.execute(NEXT, [after, BATCH])
            rows = cursor.fetchall()
            if not rows:
                return
            if ids := sorted(id for _, id in rows if id):
                within = [ids[0], ids[-1], rows[0][0], rows[-1][0]]
                settle.patiently(cursor, partial(cursor.execute, FILL, within))
            after = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False  # each part is a transaction of its own

    dependencies = [
        ("dlq", "0003_problems_and_runs"),
        ("notifications", "0008_minutes_and_standings"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
