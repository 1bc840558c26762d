"""The forms that correct a letter's notification: one for its receiver, one for its texts, one for raw records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from dlq.admin.verbs.forms import ExpiryForm
from dlq.mending.mistypings import suggestion
from dlq.models import DeadLetter
from dlq.repair import raw_text
from notifications.channels import channel_class
from notifications.models import Notification
from project.desk.audit import LONGEST_TEXT
from project.desk.unfold import Textarea, TextInput

TEXTS = ("subject", "message", "html")
REASON = "Kept with the change, under your name."


class CorrectionForm(ExpiryForm):
    """What both forms have: as what the letter was seen, and a new expiry for what has expired and is replayed.

    `corrects` are the fields of the notification that a form changes.
    """

    corrects: ClassVar[tuple[str, ...]] = ()
    generation = forms.IntegerField(widget=forms.HiddenInput)
    seen = forms.CharField(required=False, widget=forms.HiddenInput, max_length=40)

    def __init__(self, letter: DeadLetter, data: Any, initial: dict[str, Any], *, expired: bool) -> None:
        super().__init__(data, initial=initial | _as_seen(letter))
        if not expired:
            del self.fields["expires_at"], self.fields["never"]

    @property
    def replays(self) -> bool:
        """True where the person pressed the button that replays as well."""
        return self.data.get("confirm") == "yes"

    def see_again(self, letter: DeadLetter) -> None:
        """Lets what was typed be saved over the letter as it is now."""
        self.data = dict(self.data.items()) | _as_seen(letter)

    def clean_seen(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self.cleaned_data["seen"]) if self.cleaned_data["seen"] else None
        except ValueError:
            raise forms.ValidationError("This page cannot be used: load it again.") from None

    def clean(self) -> dict[str, Any]:
        return super().clean() if self.replays else self.cleaned_data

    def changes(self) -> dict[str, str]:
        """Returns what was typed, by the name of the field that it changes."""
        return {name: typed for name, typed in self.cleaned_data.items() if name in self.corrects}


class ReceiverForm(CorrectionForm):
    """Another receiver. The intake checks it, not the form."""

    corrects = ("receiver",)
    receiver = forms.CharField(strip=False, required=False, widget=TextInput, label="The new receiver")
    reason = forms.CharField(
        required=False,
        max_length=LONGEST_TEXT,
        widget=Textarea({"rows": 2}),
        label="Why does it go there?",
        help_text=f"Needed where this is no device of the person. {REASON}",
    )

    field_order = ("receiver", "reason", "expires_at", "never")

    def __init__(
        self, letter: DeadLetter, data: Any = None, *, whole: bool, expired: bool, suggested: bool = False
    ) -> None:
        """With `suggested`, it is filled in with what the receiver was probably meant to be."""
        row = _row(letter)
        meant = suggestion(row.channel, row.receiver) if suggested else ""
        receiver = (meant or row.receiver) if whole else ""
        super().__init__(letter, data, {"receiver": receiver, "reason": ""}, expired=expired)


class TextsForm(CorrectionForm):
    """Other texts. The intake checks them, not the form."""

    corrects = TEXTS
    subject = forms.CharField(strip=False, required=False, widget=TextInput)
    message = forms.CharField(strip=False, required=False, widget=Textarea({"rows": 8}))
    html = forms.CharField(strip=False, required=False, widget=Textarea({"rows": 8}), label="HTML")
    reason = forms.CharField(
        required=False,
        max_length=LONGEST_TEXT,
        widget=Textarea({"rows": 2}),
        label="Why is it changed?",
        help_text=REASON,
    )

    field_order = (*TEXTS, "reason", "expires_at", "never")

    def __init__(self, letter: DeadLetter, data: Any = None, *, expired: bool) -> None:
        self._row = _row(letter)
        texts = {name: getattr(self._row, name) for name in TEXTS}
        super().__init__(letter, data, {**texts, "reason": ""}, expired=expired)
        takes = channel_class(letter.channel)
        if not takes.takes_subject:
            del self.fields["subject"]
        if not takes.takes_html:
            del self.fields["html"]

    def changes(self) -> dict[str, str]:
        """Returns the texts as typed, but with the line breaks of the old text: browsers post them as CR LF."""
        return {name: _line_breaks_as_in(getattr(self._row, name), text) for name, text in super().changes().items()}


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


def _as_seen(letter: DeadLetter) -> dict[str, Any]:
    return {"generation": _row(letter).generation, "seen": letter.changed_at.isoformat()}


def _row(letter: DeadLetter) -> Notification:
    if letter.notification is None:
        raise ValueError(f"Dead letter {letter.pk} has no notification.")
    return letter.notification


def _line_breaks_as_in(old: str, new: str) -> str:
    return new if "\r\n" in old else new.replace("\r\n", "\n")
