from django.db import migrations


def make_default(apps, schema_editor):
    apps.get_model("notifications", "Category").objects.get_or_create(name="default")


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]
    operations = [migrations.RunPython(make_default, migrations.RunPython.noop)]
