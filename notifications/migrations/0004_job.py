import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0003_partition_the_ledger_by_time'),
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('key', models.CharField(blank=True, max_length=100, null=True, unique=True)),
                ('parameters', models.JSONField(blank=True, default=dict)),
                ('cursor', models.JSONField(blank=True, null=True)),
                ('total', models.BigIntegerField(blank=True, null=True)),
                ('done', models.BigIntegerField(default=0)),
                ('counts', models.JSONField(blank=True, default=dict)),
                ('state', models.CharField(default='waiting', max_length=16)),
                ('rate', models.FloatField(blank=True, null=True)),
                ('actor', models.CharField(max_length=150)),
                ('failures', models.IntegerField(default=0)),
                ('error', models.CharField(blank=True, default='', max_length=1000)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('owner', models.CharField(blank=True, max_length=32, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
    ]
