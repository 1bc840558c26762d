"""The hashes that are left of people who were erased, and the requests to erase them."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0013_pauses'),
    ]

    operations = [
        migrations.CreateModel(
            name='Forgetting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person', models.CharField(db_index=True, max_length=32)),
                ('words', models.JSONField(blank=True, null=True)),
                ('job_id', models.BigIntegerField(blank=True, null=True)),
                ('before', models.DateTimeField()),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ForgottenHash',
            fields=[
                ('hash', models.CharField(max_length=32, primary_key=True, serialize=False)),
                ('before', models.DateTimeField()),
            ],
            options={
                'ordering': ['hash'],
            },
        ),
    ]
