"""A column for one word of a closed list that is code, and how forms and lists offer the words."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


def choices_of(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Returns Django's choices: each word with itself as its label."""
    return [(word.value, word.value) for word in words]


class WordField(_CharField):
    """A CharField whose words stand in the code. Migrations see a plain CharField without choices.

    So a new word needs no migration, and no migration imports the list.
    """

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, arguments, options = super().deconstruct()
        options.pop("choices", None)
        return name, "django.db.models.CharField", list(arguments), options
