"""What the groups had read when they were rewound after a restore."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0014_forgotten'),
    ]

    operations = [
        migrations.CreateModel(
            name='Rewound',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=249)),
                ('partition', models.IntegerField()),
                ('before', models.BigIntegerField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['topic', 'partition'],
                'constraints': [models.UniqueConstraint(fields=('topic', 'partition'), name='rewound_once')],
            },
        ),
    ]
