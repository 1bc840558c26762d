"""Moves staff to Django's accounts and leaves the main application's people in users_user.

Up to version 1.0 users.User was AUTH_USER_MODEL: one table held both, foreign keys such as the admin log's pointed to
it, and auth_user was never made, although the migrations of auth count as applied. A new database has nothing to move.
"""

import django.core.validators
from django.core.management.color import no_style
from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q

COPIED = ("id", "password", "last_login", "is_superuser", "username", "first_name", "last_name", "email", "is_staff",
          "is_active", "date_joined")  # fmt: skip


def move_accounts(apps, schema_editor):
    """Copies each account with its primary key, points foreign keys to the copy, and deletes who is no person."""
    old, new = apps.get_model("users", "User"), apps.get_model("auth", "User")
    if new._meta.db_table not in schema_editor.connection.introspection.table_names():
        schema_editor.create_model(new)
    references = list(_references(apps, schema_editor.connection, old, new))
    _copy(old, new, references, schema_editor.connection)
    for model, field in references:
        schema_editor.alter_field(model, _pointing_to(old, model, field), field)
    _delete_who_is_no_person(apps, old)
    schema_editor.connection.check_constraints()  # PostgreSQL alters no table while checks of its rows are pending


def _references(apps, connection, old, new):
    """Yields (model, field) for each foreign key to accounts whose column still points to the old table."""
    for model in apps.get_models(include_auto_created=True):
        fields = [field for field in model._meta.local_fields if field.is_relation and field.related_model is new]
        if fields:
            with connection.cursor() as cursor:
                relations = connection.introspection.get_relations(cursor, model._meta.db_table)
            yield from (
                (model, field) for field in fields if relations.get(field.column, ("", ""))[1] == old._meta.db_table
            )


def _copy(old, new, references, connection):
    """Copies the accounts: staff, superusers, who has a password, and whoever a foreign key needs."""
    chosen = Q(is_staff=True) | Q(is_superuser=True) | ~(Q(password="") | Q(password__startswith="!"))
    for model, field in references:
        chosen |= Q(pk__in=model._base_manager.values(field.attname))
    accounts = list(old.objects.filter(chosen))
    new.objects.bulk_create(_account(new, row) for row in accounts)
    for name, column in (("groups", "group_id"), ("user_permissions", "permission_id")):
        given = getattr(old, name).through.objects.filter(user_id__in=[row.pk for row in accounts])
        through = getattr(new, name).through
        through.objects.bulk_create(
            through(user_id=user, **{column: what}) for user, what in given.values_list("user_id", column)
        )
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [new]):
            cursor.execute(statement)


def _account(new, row):
    """Returns the account of this row, whose `name` was shown where Django shows first and last name."""
    account = new(**{name: getattr(row, name) for name in COPIED})
    if row.name:
        account.first_name, account.last_name = row.name[:150], ""
    return account


def _pointing_to(old, model, field):
    """Returns the field as the database has it: a foreign key to the old table."""
    before = field.clone()
    before.remote_field.model = old
    before.model = model
    before.set_attributes_from_name(field.name)
    return before


def _delete_who_is_no_person(apps, old):
    """Deletes staff and superusers without a device, and files what the admin log says of them under accounts."""
    devices = apps.get_model("users", "Device").objects.filter(user=OuterRef("pk"))
    others = old.objects.filter(Q(is_staff=True) | Q(is_superuser=True)).exclude(Exists(devices))
    ids = list(others.values_list("pk", flat=True))
    types = apps.get_model("contenttypes", "ContentType").objects
    log = apps.get_model("admin", "LogEntry").objects.filter(
        content_type__app_label="users", content_type__model="user", object_id__in=[str(pk) for pk in ids]
    )
    if log.exists():
        log.update(content_type=types.get_or_create(app_label="auth", model="user")[0])
    old.objects.filter(pk__in=ids).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("users", "0002_limits_of_api_keys"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.RunPython(move_accounts),
        migrations.AlterModelManagers(name="user", managers=[]),
        migrations.AlterModelOptions(
            name="user", options={"ordering": ["username"], "verbose_name": "person", "verbose_name_plural": "people"}
        ),
        *(
            migrations.RemoveField(model_name="user", name=name)
            for name in ("groups", "user_permissions", *COPIED)
            if name not in ("id", "username")
        ),
        migrations.AlterField(
            model_name="user",
            name="username",
            field=models.CharField(
                error_messages={"unique": "A person with that username exists."},
                help_text="The main application's id of this person.",
                max_length=150,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[^\\s/\\x00-\\x1f\\x7f]+\\Z", "Must not contain white space, slashes or control characters."
                    )
                ],
                verbose_name="username",
            ),
        ),
    ]
