"""What a person's own page shows: what they chose, and what that means for each category, decided as a sender would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings

from notifications.channels import channel_in_words
from notifications.messages.ids import receiver_hash
from notifications.messages.words import CategoryKind, SuppressedFor
from users.people.models import Device
from users.recipients.category_rules import CategoryRules, read_rules
from users.recipients.decide import Action, Decision, Rule
from users.recipients.facts import Receiver
from users.recipients.foretell import foretell_each
from users.recipients.own_page.form import CHOICE, Given
from users.recipients.person import Preferences, cell, chosen_by
from users.recipients.zones import known_zone

# Why nothing is sent to an address, to whoever reads mails or texts there.
NOT_SENT = {
    SuppressedFor.BOUNCED: "messages to your address came back",
    SuppressedFor.COMPLAINED: "you reported one of our messages as spam",
    SuppressedFor.STOP: "you answered STOP to one of our texts; answer START to get them again",
    SuppressedFor.UNSUBSCRIBED: "you unsubscribed",
    SuppressedFor.GONE: "your address does not exist any more",
    SuppressedFor.ERASED: "we were asked to forget whoever has this address",
    SuppressedFor.BY_STAFF: "we have stopped what goes to this address; ask us why",
    SuppressedFor.CHOICE: "you switched it off",
    SuppressedFor.NOT_CHOSEN: "it is off until you switch it on",
    SuppressedFor.CAP: "nobody gets it at present",
}
STATES = {True: "on", False: "off", None: ""}
YOURS, DEFAULT = "your choice", "as it comes by default"


@dataclass(frozen=True, slots=True)
class Select:
    """A question with the answers on, off, or none of one's own. `options` are (value, words, is chosen)."""

    name: str
    label: str
    options: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a notification on one channel."""

    channel: str
    sentence: str
    whose: str  # choice decides


@dataclass(frozen=True, slots=True)
class Group:
    """A category, as a group of fields; one that is mandatory has none."""

    name: str
    is_mandatory: bool
    selects: Sequence[Select]
    outcomes: Sequence[Outcome]


def receivers_of(username: str) -> list[Receiver]:
    """Returns the person's preferred address of each channel."""
    devices = Device.objects.filter(user__username=username).order_by("position", "id")
    first: dict[str, str] = {}
    for channel, address in devices.values_list("channel", "address"):
        first.setdefault(channel, address)
    return [Receiver(username, channel, at, receiver_hash(channel, at)) for channel, at in first.items()]


def groups(receivers: Sequence[Receiver], preferences: Preferences, given: Given) -> list[Group]:
    """Returns all categories by name."""
    categories = list(read_rules().values())
    foretold = foretell_each(receivers, categories)
    return [
        _group(rules, {each: foretold[each, rules.name].decision for each in receivers}, preferences, given)
        for rules in categories
    ]


def everywhere(receivers: Sequence[Receiver], preferences: Preferences, given: Given) -> list[Select]:
    """Returns the question for each channel as a whole."""
    return [
        _select(cell("", each.channel), channel_label(each.channel), "As each kind says", preferences, given)
        for each in receivers
    ]


def _group(
    rules: CategoryRules, decisions: Mapping[Receiver, Decision], preferences: Preferences, given: Given
) -> Group:
    mandatory = rules.kind is CategoryKind.MANDATORY
    outcomes = [_outcome(rules, each, decision, preferences) for each, decision in decisions.items()]
    if mandatory:
        return Group(rules.name, mandatory, [], outcomes)
    by_default = f"As it comes by default ({'on' if rules.on_by_default else 'off'})"
    selects = [_select(cell(rules.name, ""), "All of it", by_default, preferences, given)]
    if len(decisions) > 1:
        selects += [
            _select(cell(rules.name, each.channel), channel_label(each.channel), "As all of it", preferences, given)
            for each in decisions
        ]
    return Group(rules.name, mandatory, selects, outcomes)


def _select(key: str, label: str, none: str, preferences: Preferences, given: Given) -> Select:
    """The value of each answer says what the choice was, so that a form changes what the person changed alone."""
    choice = preferences.choices.get(key)
    was = STATES[choice.on if choice else None]
    name = f"{CHOICE}{key}"
    chosen = given.get(name, was).rpartition(">")[2]
    words = {"": none, "on": "On", "off": "Off"}
    return Select(name, label, [(f"{was}>{to}", shown, to == chosen) for to, shown in words.items()])


def _outcome(rules: CategoryRules, receiver: Receiver, decision: Decision, preferences: Preferences) -> Outcome:
    yours = chosen_by(preferences, rules.name, receiver.channel) is not None
    whose = "" if rules.kind is CategoryKind.MANDATORY else YOURS if yours else DEFAULT
    return Outcome(channel_label(receiver.channel), sentence_of(decision, zone_of(preferences)), whose)


def sentence_of(decision: Decision, zone: ZoneInfo) -> str:
    """Returns what a decision means for the person."""
    if decision.action is Action.SUPPRESS:
        why = NOT_SENT.get(decision.suppressed_for) if decision.suppressed_for else None
        return f"is not sent: {why}" if why else "is not sent"
    if decision.action is Action.FOLD:
        return "comes together with others, in a summary"
    if decision.action is Action.WAIT:
        return f"waits until {decision.until.astimezone(zone):%Y-%m-%d %H:%M}" if decision.until else "waits"
    return "is sent at once, whatever you choose" if decision.rule is Rule.MANDATORY else "is sent"


def zone_of(preferences: Preferences) -> ZoneInfo:
    """Returns the zone of the page's times: the person's, or the site's."""
    own = preferences.time_zone
    return (known_zone(own) if own else None) or ZoneInfo(settings.DEFAULT_TIME_ZONE)


def channel_label(channel: str) -> str:
    words = channel_in_words(channel)
    return words[:1].upper() + words[1:]


def settings_shown(preferences: Preferences, given: Given) -> Mapping[str, str]:
    """Returns the values of the other fields, and under `was-…` what they were."""
    was = dict(_settings(preferences))
    return {name: given.get(name, value) for name, value in was.items()} | {
        f"was_{name}": value for name, value in was.items()
    }


def _settings(preferences: Preferences) -> Iterator[tuple[str, str]]:
    quiet, until = preferences.quiet, preferences.paused_until
    yield "time_zone", preferences.time_zone or ""
    yield "quiet_start", f"{quiet[0]:%H:%M}" if quiet else ""
    yield "quiet_end", f"{quiet[1]:%H:%M}" if quiet else ""
    yield "paused_until", f"{until.astimezone(zone_of(preferences)):%Y-%m-%dT%H:%M}" if until else ""
    yield "all_off", "yes" if preferences.all_off_at else ""
