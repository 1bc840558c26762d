"""What would become of a notification for somebody: now, for each category and device, and at another time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from django import forms

from notifications.messages.words import CategoryKind
from project.desk.audit import printed
from project.desk.form_fields import FutureField
from users.recipients.category_rules import CategoryRules, read_rules
from users.recipients.decide import Action, Rule
from users.recipients.facts import Receiver
from users.recipients.foretell import Foretold, foretell_each

MOST_CATEGORIES = 20  # of the table
MOST_ASKED = 500  # categories that can be asked for
MOST_DEVICES = 6
SELECT = {"class": "desk-select"}
ACTIONS = {
    Action.SEND: ("sent at once", "plain"),
    Action.WAIT: ("waits", "odd"),
    Action.FOLD: ("joins a digest", "odd"),
    Action.SUPPRESS: ("not sent", "bad"),
}


class Device(NamedTuple):
    """Where something can be sent: the key by which a form names it, and what this person may see of it."""

    key: str
    receiver: Receiver
    label: str


class Cell(NamedTuple):
    """What becomes of one category on one device: in a word with its tone, until when, and why, by which rule."""

    word: str
    tone: str
    until: str
    why: str
    rule: str


class Row(NamedTuple):
    category: str
    by_default: str
    cells: list[Cell]


class AskForm(forms.Form):
    """The question of another time. `on` is the key of a device."""

    category = forms.ChoiceField(label="Category", widget=forms.Select(SELECT))
    on = forms.ChoiceField(label="Device", widget=forms.Select(SELECT))
    at = FutureField(label="When", help_text="Empty: now.")

    def __init__(self, data: Any, categories: Sequence[CategoryRules], devices: Sequence[Device]) -> None:
        super().__init__(data)
        for name, values in (
            ("category", [(each.name, each.name) for each in categories]),
            ("on", [(each.key, each.label) for each in devices]),
        ):
            cast("forms.ChoiceField", self.fields[name]).choices = values


def all_rules() -> list[CategoryRules]:
    """Returns the rules of the first MOST_ASKED categories, by name."""
    return list(read_rules().values())[:MOST_ASKED]


def outlook(query: Mapping[str, str], devices: Sequence[Device]) -> dict[str, Any]:
    """Returns the table, the form and its answer, for a template; it takes nobody's place and changes nothing.

    The table takes three statements however large it is, and an answer two more.
    """
    categories = all_rules()
    shown = devices[:MOST_DEVICES]
    form = AskForm(query if "category" in query else None, categories, devices)
    return {
        "columns": [device.label for device in shown],
        "table": _table(categories[:MOST_CATEGORIES], shown),
        "more_categories": len(categories) - MOST_CATEGORIES if len(categories) > MOST_CATEGORIES else 0,
        "more_devices": len(devices) - len(shown),
        "ask": form,
        "answer": _answer(form, categories, devices) if form.is_valid() else None,
    }


def _table(categories: Sequence[CategoryRules], devices: Sequence[Device]) -> list[Row]:
    found = foretell_each([each.receiver for each in devices], categories)
    return [
        Row(rules.name, _by_default(rules), [_cell(found[each.receiver, rules.name]) for each in devices])
        for rules in categories
    ]


def _answer(form: AskForm, categories: Sequence[CategoryRules], devices: Sequence[Device]) -> dict[str, Any]:
    asked = form.cleaned_data
    device = next(each for each in devices if each.key == asked["on"])
    rules = next(each for each in categories if each.name == asked["category"])
    at: datetime | None = asked["at"]
    found = foretell_each([device.receiver], [rules], at)
    return {
        "when": printed(at) if at else "now",
        "category": rules.name,
        "device": device.label,
        "cell": _cell(found[device.receiver, rules.name]),
    }


def _cell(foretold: Foretold) -> Cell:
    decision = foretold.decision
    word, tone = ACTIONS[decision.action]
    rule = "" if decision.rule is Rule.NONE else f"rule {decision.rule.number}, {decision.rule}"
    return Cell(word, tone, f"until {printed(decision.until)}" if decision.until else "", foretold.why, rule)


def _by_default(rules: CategoryRules) -> str:
    """Returns what the category does for whoever chose nothing."""
    if rules.kind is CategoryKind.MANDATORY:
        return "always on"
    if not rules.on_by_default:
        return "off"
    return "on" if rules.channels is None else f"on {', '.join(sorted(rules.channels)) or 'no channel'}"
