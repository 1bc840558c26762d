"""`manage.py create_api_key`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.models import StaffAction
from users.access.models import ApiKey

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


def test_what_a_key_may_be_given() -> None:
    limits = ("--channels", "EMAIL, SMS", "--per-minute", "60", "--texts-a-day", "500", "--expires", "90d")
    run("shop", "--scope", "configure", *limits, "--notifications-a-day", "9000")
    row = ApiKey.objects.get()
    assert (row.client, row.channels, row.per_minute, row.texts_a_day) == ("shop", ["EMAIL", "SMS"], 60, 500)
    assert (row.scopes, row.notifications_a_day) == (["configure"], 9000)
    assert row.expires_at
    assert timedelta(days=89) < row.expires_at - timezone.now() < timedelta(days=91)
    assert list(StaffAction.objects.values_list("action", "target")) == [("issue", f"API key {row.prefix}")]


@pytest.mark.parametrize("form", ["{prefix}", "ntf_{prefix}", "ntf_{prefix}…", "{key}"])
def test_revoked_by_its_prefix_once(form: str) -> None:
    row, key = ApiKey.issue(name="n", client="shop", scopes=["send"])
    prefix = form.format(prefix=row.prefix, key=key)
    call_command("revoke_api_key", prefix, stdout=StringIO())
    assert not ApiKey.objects.usable(timezone.now()).exists()
    assert StaffAction.objects.get().target == f"API key {row.prefix}"
    for again, why in ((prefix, "was revoked"), ("", "no API key"), (row.prefix[:6], "no API key")):
        with pytest.raises(CommandError, match=why) as refused:
            call_command("revoke_api_key", again)
        assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("n", "--client", "c", "--scope", "admin"), "admin"),
        (("n", "--client", "c"), "--scope"),
        (("n", "--client", "", "--scope", "send"), "--client"),
        (("n", "--scope", "send", "--channels", "EMAIL,FAX"), "FAX"),
        (("n", "--scope", "send", "--per-minute", "0"), "--per-minute"),
        (("n", "--scope", "send", "--texts-a-day", "1e3"), "--texts-a-day"),
        (("n", "--scope", "send", "--texts-a-day", "9999999999"), "--texts-a-day"),
        (("n", "--scope", "send", "--expires", "0d"), "--expires"),
        (("n", "--scope", "send", "--expires", "soon"), "--expires"),
        (("n", "--client", "x" * 101, "--scope", "send"), "--client"),
        (("", "--client", "c", "--scope", "send"), "name"),
    ],
)
def test_refused_with_a_sentence(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        run(*arguments)
    assert ApiKey.objects.count() == 0
