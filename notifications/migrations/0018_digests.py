"""The table of digests, and the ledger's column that says which digest a row was folded into."""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
DIGEST_ID = [
    migrations.AddField(
        model_name="notification",
        name="digest_id",
        field=models.BigIntegerField(blank=True, editable=False, null=True),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("notifications", "0017_send_at")]

    operations = [
        migrations.CreateModel(
            name="Digest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("username", models.CharField(blank=True, default="", max_length=150)),
                ("channel", models.CharField(max_length=32)),
                ("receiver_hash", models.CharField(max_length=32)),
                ("category", models.CharField(max_length=100)),
                ("client", models.CharField(max_length=100)),
                ("state", models.CharField(max_length=16)),
                ("joined", models.IntegerField()),
                ("opened_at", models.DateTimeField()),
                ("closes_at", models.DateTimeField()),
                ("look_at", models.DateTimeField()),
                ("notification_id", models.UUIDField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "ended"), _negated=True), fields=["look_at"], name="digest_look_at"
                    ),
                    models.Index(
                        condition=models.Q(("username", ""), _negated=True), fields=["username"], name="digest_person"
                    ),
                    models.Index(fields=["receiver_hash"], name="digest_receiver"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("receiver_hash", "username", "channel", "category", "client"),
                        name="digest_open_once",
                    )
                ],
            },
        ),
        leasing.Patiently(database_operations=DIGEST_ID, state_operations=DIGEST_ID),
    ]
