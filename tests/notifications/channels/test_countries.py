"""Which countries texts may go to: refused at the intake with the reason, never while sending."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from notifications.channels import channel_class
from notifications.channels.sms.countries import problem
from notifications.messages.draft import read_batch, read_request
from notifications.messages.explain import Invalid
from notifications.messages.message import from_record, new_message

US, CANADA, JAMAICA, GERMANY, BRITAIN = (
    "+14155550100",
    "+16135550100",
    "+18765550100",
    "+4915112345678",
    "+447400123456",
)
PREMIUM, SATELLITE, NO_CODE = "+19005551234", "+88213123456", "+9991234567"


@pytest.fixture(autouse=True)
def nothing_set(settings: Settings) -> None:
    settings.TWILIO_FROM, settings.SMS_COUNTRIES = "", ()


@pytest.mark.parametrize(
    ("sender", "countries", "taken", "refused"),
    [
        (US, (), [US], [CANADA, JAMAICA, GERMANY, BRITAIN, PREMIUM, SATELLITE, NO_CODE]),
        (GERMANY, (), [GERMANY, "+491510000003"], [US, BRITAIN, SATELLITE]),
        (US, ("DE", "GB"), [GERMANY, BRITAIN], [US, SATELLITE, NO_CODE, "+449011234567"]),
        ("", ("CA",), [CANADA], [US]),
        *(
            (sender, (), [US, GERMANY, PREMIUM, SATELLITE, NO_CODE], [])
            for sender in ("", "MG" + "0" * 32, "ACME", "12345", "+88213123456")
        ),
    ],
)
def test_where_texts_may_go(
    settings: Settings, sender: str, countries: tuple[str, ...], taken: list[str], refused: list[str]
) -> None:
    settings.TWILIO_FROM, settings.SMS_COUNTRIES = sender, countries
    assert [number for number in taken if problem(number)] == []
    assert [number for number in refused if not problem(number)] == []


def test_the_answer_names_the_field_and_the_reason(settings: Settings) -> None:
    settings.SMS_COUNTRIES = ("DE",)
    item = b'{"type": "SMS", "receiver": "+14155550100", "message": "Hello"}'
    why = ["Is a number of US; texts go to DE alone (SMS_COUNTRIES)."]
    with pytest.raises(Invalid) as one:
        read_request(item)
    with pytest.raises(Invalid) as many:
        read_batch(b'{"notifications": [' + item + b"]}")
    assert one.value.errors == {"receiver": why}
    assert many.value.errors == {"notifications": {"0": {"receiver": why}}}


def test_what_was_accepted_before_is_still_sent(settings: Settings) -> None:
    draft = read_request(b'{"type": "SMS", "receiver": "+14155550100", "message": "Hello"}')
    record = new_message(draft, client="shop", channel="SMS", receiver=US).to_record()
    settings.SMS_COUNTRIES = ("DE",)
    assert from_record(record).receiver == US
    assert channel_class("SMS").receiver_problem(US) is None
