"""The forms of the verbs of a problem."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import URLValidator

from dlq.models import Problem
from project.desk.audit import LONGEST_TEXT
from project.desk.form_fields import FutureField
from project.desk.unfold import CheckboxInput, Textarea, TextInput


def _note(label: str) -> forms.CharField:
    return forms.CharField(required=False, max_length=LONGEST_TEXT, widget=Textarea({"rows": 3}), label=label)


class ProblemForm(forms.Form):
    """A form that begins with what the problem has."""

    def __init__(self, problem: Problem, data: Any = None) -> None:
        names = [name for name in type(self).base_fields if hasattr(problem, name)]
        super().__init__(data, initial={name: getattr(problem, name) for name in names})


class NoteForm(ProblemForm):
    note = _note("Note")
    link = forms.CharField(
        required=False,
        max_length=500,
        widget=TextInput,
        validators=[URLValidator(schemes=["http", "https"])],
        label="Link",
        help_text="To a ticket or a status page: http or https.",
    )


class KnownForm(NoteForm):
    """What is known, and for how long it is quiet."""

    doubling = forms.BooleanField(required=False, initial=True, label="Until it doubles", widget=CheckboxInput)
    until = FutureField(label="Until a time", help_text="Empty: no time.")

    field_order = ("doubling", "until", "note", "link")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "until" in cleaned and not (cleaned["until"] or cleaned.get("doubling")):
            self.add_error("until", "Say until when it is quiet: until it doubles, until a time, or both.")
        return cleaned


class IgnoreForm(ProblemForm):
    note = _note("Why does nobody need to see it?")
