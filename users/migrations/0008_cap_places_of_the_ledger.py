"""Whether a place of a cap counts is read from the ledger."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("users", "0007_caps")]
    operations = [migrations.RemoveField(model_name="capplace", name="is_open")]
