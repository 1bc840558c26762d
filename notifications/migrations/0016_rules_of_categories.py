"""What a category says about those who receive it. Processes of the version before name none of it."""

from importlib import import_module

from django.db import migrations, models

leasing = import_module("notifications.migrations.0006_lease")
OPERATIONS = [
    migrations.AddField(
        model_name='category',
        name='cap_count',
        field=models.PositiveIntegerField(blank=True, help_text='So many to one person in a rolling window. Empty: any number. 0: none.', null=True, verbose_name='cap'),
    ),
    migrations.AddField(
        model_name='category',
        name='cap_seconds',
        field=models.PositiveIntegerField(blank=True, help_text='In seconds.', null=True, verbose_name='window of the cap'),
    ),
    migrations.AddField(
        model_name='category',
        name='channels',
        field=models.JSONField(blank=True, help_text='A list such as [“EMAIL”]. Empty: it goes out on every channel.', null=True),
    ),
    migrations.AddField(
        model_name='category',
        name='digest_at',
        field=models.TimeField(blank=True, help_text="Instead: at this hour of the person's day.", null=True, verbose_name='digest at'),
    ),
    migrations.AddField(
        model_name='category',
        name='digest_seconds',
        field=models.PositiveIntegerField(blank=True, help_text='Seconds from the first; they go out as one.', null=True, verbose_name='digest after'),
    ),
    migrations.AddField(
        model_name='category',
        name='kind',
        field=models.CharField(db_default='transactional', default='transactional', max_length=16, verbose_name='class'),
    ),
    migrations.AddField(
        model_name='category',
        name='late',
        field=models.CharField(db_default='send', default='send', max_length=16, verbose_name='where quiet hours last too long'),
    ),
    migrations.AddField(
        model_name='category',
        name='on_by_default',
        field=models.BooleanField(db_default=True, default=True, help_text='People get it unless they switch it off.'),
    ),
    migrations.AddField(
        model_name='category',
        name='passes',
        field=models.JSONField(blank=True, help_text='A list such as [“bounced”]: these do not keep it from an address. Never “stop”.', null=True, verbose_name='passes suppressions for'),
    ),
    migrations.AddField(
        model_name='category',
        name='quiet',
        field=models.BooleanField(db_default=True, default=True, verbose_name='obeys quiet hours'),
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0015_rewound"),
    ]

    operations = [leasing.Patiently(database_operations=OPERATIONS, state_operations=OPERATIONS)]
