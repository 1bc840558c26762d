"""What people chose: changed cell by cell, recorded, and seen by the senders."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.messages.explain import Invalid
from notifications.models import Category
from tests.caller import Api, issue, json_of, stored
from users.access.addresses import network_of
from users.access.models import ApiKey
from users.people.models import User
from users.recipients import preferences
from users.recipients.category_rules import Cap
from users.recipients.known import Known
from users.recipients.models import PersonPreferences, PreferenceEvent
from users.recipients.person import Preferences, cell, chosen_by
from users.recipients.preferences import MOST_CHOICES, Changes, Source, change, changed

ANN = "/users/ann/preferences"
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("time_zone", "quiet", "paused_until", "cap")),
    "all_off": False,
    "channel_caps": {},
    "choices": [],
}
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
STAFF: dict[str, Any] = {"actor": "anna", "source": Source.STAFF}


@pytest.fixture
def ann(db: None) -> User:
    Category.objects.create(name="news")
    return User.objects.create(username="ann")


@pytest.fixture
def patched(api: Api, ann: User) -> Callable[..., Any]:
    def patch(status: int = 200, **body: Any) -> Any:
        answer = api.request("PATCH", ANN, body)
        assert answer.status_code == status, answer.content
        return json_of(answer)

    return patch


def choice(word: str | None, category: str | None = None, channel: str | None = None) -> dict[str, str | None]:
    return {"category": category, "channel": channel, "choice": word}


def test_a_change_changes_what_it_names_and_nothing_else(api: Api, patched: Callable[..., Any]) -> None:
    assert json_of(api.get(ANN)) == NOTHING
    later = timezone.now().replace(microsecond=0) + timedelta(hours=2)
    paused = later.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = {"time_zone": "Europe/Berlin", "quiet": {"start": "22:00", "end": "07:00"}, "paused_until": paused}
    assert patched(**first) == NOTHING | first
    second = {"cap": {"count": 0, "seconds": 60}, "choices": [choice("off", "news"), choice("on", None, "SMS")]}
    assert patched(**second) == NOTHING | first | second
    third = patched(choices=[choice(None, "news"), choice("off", "news", "SMS")], quiet=None, all_off=True)
    rest = [choice("on", None, "SMS"), choice("off", "news", "SMS")]
    assert (
        third == json_of(api.get(ANN)) == NOTHING | first | second | {"quiet": None, "all_off": True, "choices": rest}
    )
    assert preferences.of("ann").cap == Cap(0, 60)


def test_a_limit_of_one_channel_leaves_those_of_others(patched: Callable[..., Any]) -> None:
    on_sms, on_email = {"SMS": {"count": 1, "seconds": 60}}, {"EMAIL": {"count": 2, "seconds": 60}}
    patched(channel_caps=on_sms)
    assert patched(channel_caps=on_email)["channel_caps"] == on_sms | on_email
    assert patched(channel_caps={"SMS": None})["channel_caps"] == on_email
    events = PreferenceEvent.objects.order_by("id").values_list("what", "before", "after")
    assert list(events)[-1] == ("limit on SMS", "1 in 60 seconds", "")


def test_each_change_is_an_event_and_what_changes_nothing_is_none(api: Api, patched: Callable[..., Any]) -> None:
    patched(time_zone=None, quiet=None, all_off=False, choices=[choice(None, "news")])
    assert stored() == {"User": 1}  # nobody gets a row for nothing
    patched(choices=[choice("off", "news", "EMAIL")], time_zone="Europe/Berlin")
    before = PersonPreferences.objects.get().changed_at
    patched(choices=[choice("off", "news", "EMAIL")], time_zone="Europe/Berlin")
    assert PersonPreferences.objects.get().changed_at == before
    patched(choices=[choice(None, "news", "EMAIL")], quiet={"start": "22:00", "end": "07:00"})
    events = PreferenceEvent.objects.order_by("id").values_list("what", "before", "after")
    assert list(events) == [
        ("time zone", "", "Europe/Berlin"),
        ("news on EMAIL", "", "off"),
        ("quiet hours", "", "22:00 to 07:00"),
        ("news on EMAIL", "off", ""),
    ]
    event = PreferenceEvent.objects.first()
    assert event is not None
    assert event.actor == f"API key {ApiKey.objects.get().prefix}… (shop)"
    assert (event.username, event.source, event.address) == ("ann", "api", "127.0.0.0/24")
    assert abs(event.at - timezone.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"quiet": {"start": "22:00", "end": "22:00"}}, "quiet"),
        ({"quiet": {"start": "22:00", "end": "24:00"}}, "quiet"),
        ({"quiet": {"start": "22:00"}}, "quiet"),
        ({"paused_until": "2020-01-01T00:00:00Z"}, "paused_until"),
        ({"paused_until": "0001-01-01T00:00:00+05:00"}, "paused_until"),
        ({"paused_until": "9999-12-31T23:59:59-05:00"}, "paused_until"),
        ({"paused_until": "2099-01-01T00:00:00"}, "paused_until"),
        ({"all_off": None}, "all_off"),
        ({"cap": {"count": -1, "seconds": 60}}, "cap"),
        ({"cap": {"count": 1, "seconds": 0}}, "cap"),
        ({"cap": {"count": 1}}, "cap"),
        ({"channel_caps": {"SMS": {"count": -1, "seconds": 60}}}, "channel_caps"),
        ({"channel_caps": {"PIGEON": {"count": 1, "seconds": 60}}}, "channel_caps"),
        ({"choices": [choice("off", "nows")]}, "choices"),
        ({"choices": [choice("off", "news", "PIGEON")]}, "choices"),
        ({"choices": [choice("off")]}, "choices"),
        ({"choices": [choice("maybe", "news")]}, "choices"),
        ({"choices": [choice("on", "news"), choice("off", "news")]}, "choices"),
        ({"choices": [{"category": "news"}]}, "choices"),
        ({"choices": [choice("off", "news")] * (MOST_CHOICES + 1)}, "choices"),
        ({"colour": "red"}, "colour"),
        ([], "detail"),
    ],
)
def test_what_is_wrong_is_refused_by_field_and_changes_nothing(api: Api, ann: User, body: Any, field: str) -> None:
    answer = api.request("PATCH", ANN, {"time_zone": "Europe/Berlin"} | body if isinstance(body, dict) else body)
    assert (answer.status_code, next(iter(json_of(answer)))) == (400, field)
    assert stored() == {"User": 1}


def test_what_is_wrong_with_a_choice_is_answered_by_its_position(patched: Callable[..., Any]) -> None:
    wrong = patched(400, choices=[choice("off", "news"), choice("off", "nows", "PIGEON")])
    assert wrong == {
        "choices": {"1": {"category": ["There is no such category."], "channel": ["Must be one of EMAIL, SLACK, SMS."]}}
    }


def test_a_choice_of_a_category_that_is_gone_can_be_removed(patched: Callable[..., Any]) -> None:
    patched(choices=[choice("off", "news")])
    Category.objects.filter(name="news").delete()
    assert patched(choices=[choice(None, "news")]) == NOTHING


def test_only_the_directory_has_preferences_and_only_users_may_see_them(ann: User, keys_required: None) -> None:
    api = Api(issue("users"))
    for username in ("bob", "a%00b", "a%20b"):
        path = f"/users/{username}/preferences"
        assert (api.get(path).status_code, api.request("PATCH", path, {}).status_code) == (404, 404)
    others = Api(issue("send", "read", "configure"))
    assert (others.get(ANN).status_code, others.request("PATCH", ANN, {}).status_code) == (403, 403)
    assert api.put(ANN, NOTHING).status_code == 405


def test_nobody_has_more_choices_than_there_may_be_but_an_unsubscription_counts(db: None) -> None:
    change("ann", Changes(choices={cell(f"c{i}", ""): True for i in range(MOST_CHOICES)}), **STAFF)
    one_more = Changes(choices={cell("news", ""): False})
    with pytest.raises(Invalid):
        change("ann", one_more, **STAFF)
    assert len(preferences.of("ann").choices) == MOST_CHOICES
    change("ann", one_more, actor="ann", source=Source.UNSUBSCRIBE)
    assert chosen_by(preferences.of("ann"), "news", "EMAIL") is False


def test_a_sender_sees_whose_wishes_have_changed(db: None) -> None:
    known = Known()
    known.refresh()
    change("ann", Changes(all_off=True), **STAFF)
    known.refresh()
    assert known.has_changed("ann", "", since=0.0)
    assert not known.has_changed("bob", "", since=0.0)


@pytest.mark.django_db(transaction=True)
def test_changes_of_different_cells_at_once_all_count() -> None:
    """Without the lock, each would write its own cell beside what it had read."""
    many = 8
    together = Barrier(many)

    def switch_off(number: int) -> None:
        together.wait(30)
        change("ann", Changes(choices={cell(f"c{number}", ""): False}), **STAFF)
        connection.close()

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(switch_off, range(many)))
    assert preferences.of("ann").choices.keys() == {cell(f"c{number}", "") for number in range(many)}
    assert PreferenceEvent.objects.count() == many


def test_everything_off_beats_older_choices_and_neither_newer_ones_nor_those_beside_it() -> None:
    news, offers = cell("news", ""), cell("offers", "EMAIL")
    chosen = changed(Preferences(), Changes(choices={news: True}), AT)
    off = changed(chosen, Changes(all_off=True), AT)  # in the same moment
    assert chosen_by(off, "news", "EMAIL") is False
    on = changed(off, Changes(choices={news: True}), AT - timedelta(hours=1))  # by a clock that was set back
    assert (chosen_by(on, "news", "EMAIL"), chosen_by(on, "offers", "EMAIL")) == (True, False)
    again = changed(on, Changes(all_off=True, choices={offers: True}), AT)
    assert (chosen_by(again, "news", "EMAIL"), chosen_by(again, "offers", "EMAIL")) == (False, True)
    assert changed(again, Changes(choices={news: True}), AT).choices[news] != again.choices[news]


CHANGES = st.builds(
    Changes,
    all_off=st.booleans(),
    choices=st.dictionaries(st.sampled_from([cell(c, h) for c in ("", "news") for h in ("", "SMS")]), st.booleans()),
)


@example([Changes(all_off=True, choices={cell("news", "SMS"): False})], Changes(all_off=True, choices={"SMS:": True}))
@given(st.lists(CHANGES, max_size=5), CHANGES)
def test_the_same_change_twice_is_the_same_as_once(before: list[Changes], last: Changes) -> None:
    chosen = Preferences()
    for each in before:
        chosen = changed(chosen, each, AT)
    once = changed(chosen, last, AT)
    twice = changed(once, last, AT + timedelta(seconds=1))
    for category in ("news", "offers"):
        for channel in ("SMS", "EMAIL"):
            assert chosen_by(once, category, channel) == chosen_by(twice, category, channel)


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("", ""), ("nonsense", "")],
)
def test_of_an_address_the_network_is_kept(address: str, network: str) -> None:
    assert network_of(address) == network
