"""`manage.py create_api_key`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from users.models import ApiKey

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("create_api_key", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_key_is_alone_on_the_last_line() -> None:
    key = run("shop, production", "--client", "shop", "--scope", "send", "--scope", "read", "--scope", "send")[-1]
    row = ApiKey.objects.get()
    assert (row.name, row.client, row.scopes) == ("shop, production", "shop", ["send", "read"])
    assert row.digest == ApiKey.digest_of(key)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("n", "--client", "c", "--scope", "admin"), "admin"),
        (("n", "--client", "c"), "--scope"),
        (("n", "--scope", "send"), "--client"),
        (("n", "--client", "x" * 101, "--scope", "send"), "--client"),
        (("", "--client", "c", "--scope", "send"), "name"),
    ],
)
def test_refused_with_a_sentence(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        run(*arguments)
    assert ApiKey.objects.count() == 0
