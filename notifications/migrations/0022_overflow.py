"""What a category says about what is over a cap. Processes of the version before do not name it."""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
EACH = "Of the category or of the person: each waits for a place, or all go out as one when there is one."
OPERATIONS = [
    migrations.AddField(
        model_name="category",
        name="overflow",
        field=models.CharField(
            db_default="wait", default="wait", help_text=EACH, max_length=16, verbose_name="over a cap"
        ),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("notifications", "0021_sliding_digests")]
    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
