"""`manage.py create_api_key NAME --scope send`: a new API key, shown once."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import CharField
from django.utils import timezone

from notifications.channels import channel_names
from notifications.messages.words import StaffVerb
from project.desk.audit import COMMAND_LINE, write_actions
from users.access.limits import MOST
from users.access.models import SCOPES, ApiKey


class Command(BaseCommand):
    help = "Make an API key and print it, alone on the last line. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for, such as 'shop, production'")
        parser.add_argument("--client", help="the client's name, which its rotating keys share (default: NAME)")
        parser.add_argument(
            "--scope", action="append", dest="scopes", required=True, metavar="SCOPE",
            help=f"what it may do: {', '.join(SCOPES)}; may be given several times",
        )  # fmt: skip
        parser.add_argument(
            "--channels", type=_channels, default=[], metavar="EMAIL,SMS", help="those it may send on (default: all)"
        )
        parser.add_argument("--per-minute", type=_count, metavar="N", help="requests a minute, at most")
        parser.add_argument("--notifications-a-day", type=_count, metavar="N", help="notifications a day, at most")
        parser.add_argument("--texts-a-day", type=_count, metavar="N", help="SMS a day, at most")
        parser.add_argument("--expires", type=_days, metavar="90d", help="after so many days (default: never)")

    @transaction.atomic
    def handle(self, *_args: Any, **options: Any) -> None:
        scopes = list(dict.fromkeys(options["scopes"]))
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown:
            raise CommandError(f"There is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}.")
        client = options["name"] if options["client"] is None else options["client"]
        _check("name", ApiKey.name.field, options["name"])
        _check("--client", ApiKey.client.field, client)
        row, key = ApiKey.issue(
            name=options["name"],
            client=client,
            scopes=scopes,
            channels=options["channels"],
            per_minute=options["per_minute"],
            notifications_a_day=options["notifications_a_day"],
            texts_a_day=options["texts_a_day"],
            expires_at=options["expires"] and timezone.now() + options["expires"],
        )
        write_actions(COMMAND_LINE, StaffVerb.ISSUE_KEY, [(f"API key {row.prefix}", None)])
        self.stdout.write(f"API key {row} for client {row.client}, scopes {', '.join(scopes)}. Shown this once:")
        self.stdout.write(key)


def _check(argument: str, field: CharField[str, str], value: str) -> None:
    try:
        field.clean(value, None)
    except ValidationError as error:
        raise CommandError(f"{argument} is refused: {' '.join(error.messages)}") from None


def _channels(text: str) -> list[str]:
    channels = [word.strip() for word in text.split(",")]
    if unknown := [channel for channel in channels if channel not in channel_names()]:
        raise ArgumentTypeError(f"there is no channel {', '.join(unknown)}; there are {', '.join(channel_names())}.")
    return list(dict.fromkeys(channels))


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"must be a whole number from 1 to {MOST:,}.")
    return int(text)


def _days(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,3})d", text)
    if not found:
        raise ArgumentTypeError("must be a number of days from 1 to 9999, such as 90d.")
    return timedelta(days=int(found[1]))
