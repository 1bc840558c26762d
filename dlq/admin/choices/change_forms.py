"""The forms with which staff change what a person chose. Each asks why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import Any, cast

from django import forms

from notifications.channels import channel_names
from notifications.messages.words import CategoryKind
from notifications.models import Category
from project.desk.audit import LONGEST_TEXT
from project.desk.unfold import Textarea, TextInput
from users.recipients.person import Preferences
from users.recipients.wishes import hours

SELECT = {"class": "desk-select"}


class ChangeForm(forms.Form):
    """What every change needs. Made with what the person chose before."""

    reason = forms.CharField(
        max_length=LONGEST_TEXT,
        widget=Textarea({"rows": 2}),
        label="Why?",
        help_text="Kept with the change and under the staff actions, with your name.",
    )

    def __init__(self, preferences: Preferences, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.preferences = preferences


class ChoiceForm(ChangeForm):
    """On, off or by default, for a category, a channel, or one category on one channel."""

    category = forms.ChoiceField(required=False, label="Category", widget=forms.Select(SELECT))
    channel = forms.ChoiceField(required=False, label="Channel", widget=forms.Select(SELECT))
    choice = forms.ChoiceField(
        label="They get it",
        choices=[
            ("", "choose"),
            ("on", "on"),
            ("off", "off"),
            ("default", "by default: what they chose is taken away"),
        ],
        widget=forms.Select(SELECT),
    )
    field_order = ("category", "channel", "choice", "reason")

    def __init__(self, preferences: Preferences, data: Any = None, initial: Any = None) -> None:
        super().__init__(preferences, data, initial)
        found = Category.objects.exclude(kind=CategoryKind.MANDATORY).values_list("name", flat=True)
        self.existing = frozenset(found)
        chosen = {key.partition(":")[2] for key in preferences.choices} - {""}
        names = sorted(self.existing | chosen)
        _offer(self.fields["category"], "every category", names)
        _offer(self.fields["channel"], "every channel", channel_names())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        category = cleaned.get("category")
        if "category" in cleaned and not (category or cleaned.get("channel")):
            self.add_error(
                "category", "Choose a category, a channel, or both. “Everything off” is a change of its own."
            )
        if category and category not in self.existing and cleaned.get("choice") != "default":
            self.add_error(
                "category", "It is no category any more, or a mandatory one: a choice can be taken away only."
            )
        return cleaned


class QuietForm(ChangeForm):
    """The quiet hours on the person's wall clock. Both times empty: none."""

    start = forms.CharField(required=False, label="From", max_length=5, widget=TextInput({"type": "time"}))
    end = forms.CharField(
        required=False,
        label="Until",
        max_length=5,
        widget=TextInput({"type": "time"}),
        help_text="On the clock where the person is. Leave both empty for no quiet hours.",
    )
    field_order = ("start", "end", "reason")

    def __init__(self, preferences: Preferences, data: Any = None, initial: Any = None) -> None:
        quiet = preferences.quiet
        now = {"start": f"{quiet[0]:%H:%M}", "end": f"{quiet[1]:%H:%M}"} if quiet else {}
        super().__init__(preferences, data, now)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("start", ""), cleaned.get("end", "")
        quiet: tuple[time, time] | None = None
        try:
            quiet = hours(start, end) if start or end else None
        except ValueError as wrong:
            self.add_error("end", str(wrong))
        return cleaned | {"quiet": quiet}


def _offer(field: forms.Field, every: str, names: Iterable[str]) -> None:
    cast("forms.ChoiceField", field).choices = [("", every), *((name, name) for name in names)]
