"""Finds receipts without a notification by the provider's id of the message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0022_overflow")]
    operations = [
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("notification_id__isnull", True)),
                fields=["provider_message_id"],
                name="receipt_message",
            ),
        ),
    ]
