"""A column for one word of a closed list that is code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class WordField(_CharField):
    """A CharField whose words stand in the code. Migrations see a plain CharField without choices.

    So a new word needs no migration, and no migration imports the list.
    """

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, arguments, options = super().deconstruct()
        options.pop("choices", None)
        return name, "django.db.models.CharField", list(arguments), options
