"""`manage.py create_api_key NAME --client C --scope send`: a new API key, shown once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import CharField

from users.models import SCOPES, ApiKey


class Command(BaseCommand):
    help = "Make an API key and print it, alone on the last line. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for, such as 'shop, production'")
        parser.add_argument("--client", required=True, help="the client's name, which its rotating keys share")
        parser.add_argument(
            "--scope", action="append", dest="scopes", required=True, metavar="SCOPE",
            help=f"what it may do: {', '.join(SCOPES)}; may be given several times",
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        scopes = list(dict.fromkeys(options["scopes"]))
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown:
            raise CommandError(f"There is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}.")
        _check("name", ApiKey.name.field, options["name"])
        _check("--client", ApiKey.client.field, options["client"])
        row, key = ApiKey.issue(name=options["name"], client=options["client"], scopes=scopes)
        self.stdout.write(f"API key {row} for client {row.client}, scopes {', '.join(scopes)}. Shown this once:")
        self.stdout.write(key)


def _check(argument: str, field: CharField[str, str], value: str) -> None:
    try:
        field.clean(value, None)
    except ValidationError as error:
        raise CommandError(f"{argument} is refused: {' '.join(error.messages)}") from None
