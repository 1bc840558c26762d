"""What providers report afterwards of notifications and receivers, each event once."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0019_find_members'),
    ]

    operations = [
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=32, unique=True)),
                ('provider', models.CharField(max_length=64)),
                ('provider_message_id', models.CharField(blank=True, default='', max_length=255)),
                ('channel', models.CharField(max_length=32)),
                ('receiver_hash', models.CharField(max_length=32)),
                ('notification_id', models.UUIDField(blank=True, null=True)),
                ('type', models.CharField(max_length=16)),
                ('detail', models.CharField(blank=True, default='', max_length=1000)),
                ('at', models.DateTimeField()),
                ('received_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('look_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('notification_id__isnull', False)), fields=['notification_id'], name='receipt_notification'), models.Index(condition=models.Q(('notification_id__isnull', True)), fields=['receiver_hash'], name='receipt_receiver'), models.Index(condition=models.Q(('look_at__isnull', False)), fields=['look_at'], name='receipt_unmatched')],
            },
        ),
    ]
