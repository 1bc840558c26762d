"""Fills what a letter now has of its notification's columns."""

from django.db import migrations

COPIED = ("provider", "client", "category", "user", "receiver_hash", "expires_at")
FILL = f"""
    UPDATE dlq_deadletter SET {", ".join(f'"{name}" = n."{name}"' for name in COPIED)},
        uncertain = n.uncertain_count > 0
    FROM notifications_notification AS n WHERE n.id = dlq_deadletter.notification_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ("dlq", "0003_problems_and_runs"),
        ("notifications", "0008_minutes_and_standings"),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
