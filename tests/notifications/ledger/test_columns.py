"""The model agrees with the list of fields, and is compared with it at every start."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from notifications.ledger import columns
from notifications.messages.fields import CARRIED, LENGTHS
from notifications.models import Notification
from tests.notifications.rows import message, read, row


def differences() -> list[str]:
    return [error.msg for error in run_checks() if error.id == "notifications.E001"]


def test_the_model_has_every_field_of_the_list() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("reference", {"max_length": 254}, "reference takes 254 characters, and the field 255"),
        ("expires_at", {"null": False}, "expires_at may not be null"),
        ("generation", {"__class__": type(Notification._meta.get_field("subject"))}, "generation is a CharField"),
        ("category", {"name": "kind"}, "no column category"),
    ],
)
def test_what_differs_stops_the_start(name: str, change: dict[str, object], what: str) -> None:
    field = Notification._meta.get_field(name)
    with pytest.MonkeyPatch.context() as patch:
        for attribute, value in change.items():
            patch.setattr(field, attribute, value)
        assert any(what in each for each in differences())


def test_a_row_holds_all_that_a_message_says(db: None) -> None:
    """Whatever is on the list is inserted, and comes back to be published again."""
    submitted = message(**{name: "x" for name in LENGTHS if name != "receiver"}, html="<b>", priority="bulk")
    row(**{name: getattr(submitted, name) for name in CARRIED})
    assert columns.message_of_row(read(submitted.id)) == submitted
    given = dict(zip(columns.NEW_COLUMNS, columns.new_row(submitted), strict=True))
    assert {name: given[name] for name in CARRIED} == {name: getattr(submitted, name) for name in CARRIED}
