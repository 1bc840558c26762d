"""The forms of the verbs that need more than a confirmation."""

from __future__ import annotations

from typing import Any

from django import forms

from project.desk.form_fields import FutureField
from project.desk.unfold import CheckboxInput, Textarea


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=1000,
        widget=Textarea({"rows": 3}),
        label="Why is it discarded?",
        help_text="Kept with the letter, under your name.",
    )


class ExpiryForm(forms.Form):
    """A new expiry for a notification that has expired: a time, or never. One of the two must be given."""

    expires_at = FutureField(label="The new expiry", help_text="After it, this is not sent any more.")
    never = forms.BooleanField(required=False, label="It never expires", widget=CheckboxInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "expires_at" in cleaned and bool(cleaned["expires_at"]) == cleaned["never"]:
            self.add_error("expires_at", "It has expired: give a new expiry, or say that it never expires.")
        return cleaned
