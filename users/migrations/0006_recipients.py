"""What people chose, and the addresses to which nothing is sent."""

import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0005_notifications_a_day'),
    ]

    operations = [
        migrations.CreateModel(
            name='PersonPreferences',
            fields=[
                ('username', models.CharField(max_length=150, primary_key=True, serialize=False)),
                ('document', models.TextField()),
                ('changed_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name': 'preferences',
                'verbose_name_plural': 'preferences',
            },
        ),
        migrations.CreateModel(
            name='PreferenceEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('username', models.CharField(max_length=150)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor', models.CharField(max_length=150)),
                ('source', models.CharField(max_length=32)),
                ('what', models.CharField(max_length=200)),
                ('before', models.CharField(blank=True, default='', max_length=200)),
                ('after', models.CharField(blank=True, default='', max_length=200)),
                ('reason', models.CharField(blank=True, default='', max_length=1000)),
                ('address', models.CharField(blank=True, default='', max_length=64)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['username', 'id'], name='preference_event_person')],
            },
        ),
        migrations.CreateModel(
            name='Suppression',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('address_hash', models.CharField(max_length=32)),
                ('channel', models.CharField(max_length=32)),
                ('scope', models.CharField(blank=True, default='', help_text='A category; or all.', max_length=100)),
                ('reason', models.CharField(max_length=16)),
                ('score', models.FloatField(default=0.0)),
                ('evidence', models.CharField(blank=True, default='', max_length=1000)),
                ('provider', models.CharField(blank=True, default='', max_length=64)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField(blank=True, null=True)),
                ('changed_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('address_hash', 'scope', 'reason'), name='suppression_once_for_each_reason')],
            },
        ),
    ]
