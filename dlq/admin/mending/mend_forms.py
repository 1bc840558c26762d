"""The forms of a correction of many letters: what is corrected, and the choices before it is carried out."""

from __future__ import annotations

from typing import Any

from django import forms

from dlq.mending.corrections import Correction, Kind, Wrong, correction
from notifications.messages.fields import LENGTHS
from project.desk.unfold import CheckboxInput, Textarea, TextInput

# For each kind: the labels of what is typed, and an explanation.
KINDS: dict[Kind, tuple[str, str, str, str]] = {
    Kind.DOMAIN: (
        "A mistyped e-mail domain",
        "Mistyped domain",
        "Right domain",
        "What stands before the @ stays as it is.",
    ),
    Kind.REPLACE: (
        "A text in the receiver",
        "Replace",
        "By",
        "Wherever it stands in an address or number. Capital letters count. Leave the second field empty to remove it.",
    ),
    Kind.PREFIX: (
        "The beginning of a phone number",
        "Numbers that begin with",
        "Shall begin with",
        "To add: + → +49. To replace: +44 → +49. To remove a zero behind the country's code: +490 → +49.",
    ),
}


class CorrectionForm(forms.Form):
    """What is corrected to what, for one kind. `correction` is there once the form is valid."""

    old = forms.CharField(strip=False, widget=TextInput, max_length=LENGTHS["receiver"])
    new = forms.CharField(strip=False, widget=TextInput, max_length=LENGTHS["receiver"], required=False)
    correction: Correction

    def __init__(self, kind: Kind, data: Any = None, **options: Any) -> None:
        super().__init__(data, auto_id=f"id_{kind}_%s", **options)
        self.kind = kind
        self.title, self.fields["old"].label, self.fields["new"].label, self.help = KINDS[kind]
        self.fields["new"].required = kind is not Kind.REPLACE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.correction = correction(self.kind, cleaned["old"], cleaned["new"])
            except Wrong as wrong:
                self.add_error(wrong.field, str(wrong))
        return cleaned


class MendForm(forms.Form):
    """The choices, and why. `key` makes one correction of a page that is posted twice."""

    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    devices = forms.BooleanField(required=False, initial=True, widget=CheckboxInput)
    duplicates = forms.BooleanField(required=False, widget=CheckboxInput)
    reason = forms.CharField(
        max_length=1000,
        widget=Textarea({"rows": 2}),
        label="Why are they corrected?",
        help_text="Kept in the record of staff actions, under your name.",
    )


def kind_in(request_data: Any) -> Kind:
    """Returns the kind of correction that was asked for; a domain where none was."""
    try:
        return Kind(request_data.get("kind", Kind.DOMAIN))
    except ValueError:
        return Kind.DOMAIN
