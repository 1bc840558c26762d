from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0005_pruned_day'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(max_length=32)),
                ('look_at', models.DateTimeField(db_index=True)),
                ('first', models.UUIDField()),
                ('last', models.UUIDField()),
                ('ids', models.BinaryField()),
            ],
        ),
        migrations.AddField(
            model_name='notification',
            name='listed',
            field=models.CharField(blank=True, editable=False, max_length=16, null=True),
        ),
    ]
