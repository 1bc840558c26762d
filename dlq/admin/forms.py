"""The forms of the verbs that need more than a confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from dlq.models import DeadLetter
from dlq.repair import REPAIRABLE, raw_text
from notifications.channels import channel_class
from notifications.models import Notification
from project.desk.form_fields import FutureField
from project.desk.unfold import CheckboxInput, Textarea, TextInput


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


class RepairForm(ExpiryForm):
    """The fields of a notification that staff can correct. The intake checks them, not the form.

    A notification that has expired needs a new expiry before its replay.
    """

    generation = forms.IntegerField(widget=forms.HiddenInput)
    receiver = forms.CharField(strip=False, required=False, widget=TextInput)
    subject = forms.CharField(strip=False, required=False, widget=TextInput)
    message = forms.CharField(strip=False, required=False, widget=Textarea({"rows": 8}))
    html = forms.CharField(strip=False, required=False, widget=Textarea({"rows": 8}), label="HTML")

    field_order = (*REPAIRABLE, "expires_at", "never")

    def __init__(self, notification: Notification, data: Any = None, *, expired: bool) -> None:
        names = (*REPAIRABLE, "generation")
        super().__init__(data, initial={name: getattr(notification, name) for name in names})
        if not expired:
            del self.fields["expires_at"], self.fields["never"]
        self._notification = notification
        takes = channel_class(notification.channel)
        if not takes.takes_subject:
            del self.fields["subject"]
        if not takes.takes_html:
            del self.fields["html"]

    @property
    def replays(self) -> bool:
        """True where the person pressed the button that replays as well."""
        return self.data.get("confirm") == "yes"

    def clean(self) -> dict[str, Any]:
        return super().clean() if self.replays else self.cleaned_data

    def changes(self) -> dict[str, str]:
        """Returns the texts as typed, but with the line breaks of the old text: browsers post them as CR LF."""
        typed = {name: text for name, text in self.cleaned_data.items() if name in REPAIRABLE}
        return {name: _line_breaks_as_in(getattr(self._notification, name), text) for name, text in typed.items()}


class RawForm(forms.Form):
    """The text of a record that could not be read, to be corrected."""

    text = forms.CharField(
        strip=False,
        widget=Textarea({"rows": 14, "spellcheck": "false", "class": "desk-mono"}),
        label="The record, corrected",
        help_text='JSON: a request such as {"type": "EMAIL", "receiver": "…", "message": "…"}, or a whole record.',
    )

    def __init__(self, letter: DeadLetter, data: Any = None) -> None:
        super().__init__(data, initial={"text": raw_text(letter)})


def add_errors(form: forms.Form, errors: Mapping[str, Any]) -> None:
    """Shows the errors of the intake at their fields; those of no field above the form."""
    for name, found in errors.items():
        sentences = [found] if isinstance(found, str) else found
        for sentence in sentences if name != "code" else ():
            if name in form.fields:
                form.add_error(name, sentence)
            else:
                form.add_error(None, sentence if name == "detail" else f"{name}: {sentence}")


def _line_breaks_as_in(old: str, new: str) -> str:
    return new if "\r\n" in old else new.replace("\r\n", "\n")
