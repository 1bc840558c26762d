from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0004_job'),
    ]

    operations = [
        migrations.CreateModel(
            name='PrunedDay',
            fields=[
                ('day', models.DateField(primary_key=True, serialize=False)),
                ('rows', models.JSONField(default=dict)),
                ('texts_removed', models.BooleanField(default=False)),
            ],
            options={
                'ordering': ['-day'],
            },
        ),
    ]
