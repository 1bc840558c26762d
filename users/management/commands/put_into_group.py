"""`manage.py put_into_group USERNAME GROUP`: a member of staff may do what the group may."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from notifications.messages.words import StaffVerb
from project.desk.audit import COMMAND_LINE, Change, write_actions


class Command(BaseCommand):
    help = "Put a member of staff into a group, such as Viewer, Agent, Supervisor or Administrator, and into no other."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("group", help="its name, in any case")

    @transaction.atomic
    def handle(self, *_args: Any, **options: Any) -> None:
        account = User.objects.select_for_update().filter(username=options["username"]).first()
        if account is None:
            raise CommandError(f"There is no account {options['username']}. Make it in the admin: Access, Staff.")
        group = Group.objects.filter(name__iexact=options["group"]).first()
        if group is None:
            known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(f"There is no group {options['group']}; there are: {known}.")
        before = ", ".join(account.groups.order_by("name").values_list("name", flat=True))
        account.groups.set([group])
        if not account.is_staff:
            account.is_staff = True
            account.save(update_fields=["is_staff"])
        target = (f"account {account.username}"[:100], None)
        change = Change(before[:255], group.name)
        write_actions(COMMAND_LINE, StaffVerb.SET_ACCOUNT, [target], change=change)
        self.stdout.write(f"{account.username} is in the group {group.name}.")
