"""What stands in the value of a record of Kafka, which other versions read as well."""

from __future__ import annotations

import json

from notifications.messages.message import from_record


def test_a_record_leaves_out_what_has_its_default_and_the_default_is_what_it_has_always_been() -> None:
    given = {"message": "Hi", "channel": "EMAIL", "receiver": "ann@example.com", "client": "shop"}
    value = given | {"id": "01a22e86-be00-75f9-af7c-afc3ec489a1d", "accepted_at": "2026-11-30T22:15:12.128000Z"}
    defaults = {
        "v": 1,
        "generation": 0,
        "category": "default",
        "priority": "transactional",
        "send_at": None,
        "expires_at": None,
        **dict.fromkeys(("subject", "html", "reference", "user"), ""),
    }
    message = from_record(json.dumps(value).encode())
    assert from_record(json.dumps(value | defaults).encode()) == message
    assert {name: getattr(message, name) for name in defaults} == defaults
    assert json.loads(message.to_record()) == value
