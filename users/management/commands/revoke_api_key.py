"""`manage.py revoke_api_key PREFIX`: an API key is refused from now on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from notifications.messages.words import StaffVerb
from project.desk.audit import COMMAND_LINE, write_actions
from users.access.models import ApiKey


class Command(BaseCommand):
    help = "Revoke an API key for good. Web processes refuse it within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "prefix", help="how the key begins after ntf_, as the admin shows it; the whole key will do"
        )

    @transaction.atomic
    def handle(self, *_args: Any, **options: Any) -> None:
        prefix = options["prefix"].removeprefix("ntf_").partition("_")[0].rstrip("…")
        key = ApiKey.objects.select_for_update().filter(prefix=prefix).first()
        if key is None:
            raise CommandError("There is no API key with this prefix; it is what stands between ntf_ and the next _.")
        if key.revoked_at:
            raise CommandError(f"API key {key} was revoked at {key.revoked_at:%Y-%m-%d %H:%M:%S %Z}.")
        key.revoke()
        write_actions(COMMAND_LINE, StaffVerb.REVOKE_KEY, [(f"API key {key.prefix}", None)])
        self.stdout.write(f"Revoked: API key {key} of client {key.client}.")
