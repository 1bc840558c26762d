"""Fields that several forms of the admin share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from notifications.messages.rules import LAST_YEAR
from project.desk.unfold import TextInput


class FutureField(forms.DateTimeField):
    """A time in the future, in the site's zone, and early enough for every zone to express."""

    def __init__(self, *, label: str, help_text: str = "") -> None:
        zone = f"In {settings.TIME_ZONE}. {help_text}"
        widget = TextInput({"type": "datetime-local"})
        super().__init__(required=False, label=label, widget=widget, help_text=zone.strip())

    def to_python(self, value: Any) -> datetime | None:
        try:
            return super().to_python(value)
        except OverflowError:  # at both ends of the calendar a change of zone leaves it
            raise ValidationError("Enter a valid date and time.") from None

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and value.year >= LAST_YEAR:
            raise ValidationError(f"Must be before the year {LAST_YEAR}.")
        if value and value <= timezone.now():
            raise ValidationError("Must be in the future.")
