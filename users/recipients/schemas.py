"""The shapes of what people chose, for the OpenAPI description. `wishes.py` reads and writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS
from notifications.messages.words import CategoryKind, Late, Overflow
from notifications.models import Category
from notifications.models.intake import LONGEST_DIGEST, PASSABLE
from project.database.word_field import choices_of


class QuietHours(serializers.Serializer[Any]):
    """On the person's wall clock."""

    start = serializers.CharField(help_text="Such as 22:00.")
    end = serializers.CharField(help_text="Such as 07:00.")


class CapShape(serializers.Serializer[Any]):
    """At most so many in any window of so many seconds."""

    count = serializers.IntegerField(min_value=0)
    seconds = serializers.IntegerField(min_value=1)


class ChoiceShape(serializers.Serializer[Any]):
    """For a category, a channel, or one category on one channel; null stands for all."""

    category = serializers.CharField(allow_null=True, max_length=LENGTHS["category"])
    channel = serializers.ChoiceField(choices=channel_choices(), allow_null=True)
    choice = serializers.ChoiceField(choices=["on", "off"])


class ChoiceChange(ChoiceShape):
    """The same; with `"choice": null` it is removed."""

    category = serializers.CharField(required=False, allow_null=True, max_length=LENGTHS["category"])
    channel = serializers.ChoiceField(choices=channel_choices(), required=False, allow_null=True)
    choice = serializers.ChoiceField(choices=["on", "off"], allow_null=True)


class PreferencesShape(serializers.Serializer[Any]):
    """All that a person chose. Null and an empty list say that they chose nothing."""

    time_zone = serializers.CharField(allow_null=True, help_text="An IANA name, such as Europe/Berlin.")
    quiet = QuietHours(allow_null=True)
    paused_until = serializers.DateTimeField(allow_null=True)
    all_off = serializers.BooleanField(help_text="Everything is off but for newer choices.")
    cap = CapShape(allow_null=True)
    channel_caps = serializers.DictField(child=CapShape(), help_text="By channel.")
    choices = ChoiceShape(many=True)


class PreferencesChange(serializers.Serializer[Any]):
    """What changes; what is not named stays."""

    time_zone = serializers.CharField(required=False, allow_null=True)
    quiet = QuietHours(required=False, allow_null=True)
    paused_until = serializers.DateTimeField(required=False, allow_null=True)
    all_off = serializers.BooleanField(required=False)
    cap = CapShape(required=False, allow_null=True)
    channel_caps = serializers.DictField(
        child=CapShape(allow_null=True),
        required=False,
        help_text="By channel; others keep theirs.",
    )
    choices = ChoiceChange(many=True, required=False)


class DigestShape(serializers.Serializer[Any]):
    """Seconds, with a limit or without, or an hour."""

    seconds = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_DIGEST)
    limit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_DIGEST,
        help_text="The seconds begin anew with each, and it goes out so many seconds after the first at most.",
    )
    at = serializers.CharField(required=False, help_text="An hour of the person's day, such as 08:00.")


class CategoryEntry(serializers.Serializer[Any]):
    """A category as it is from now on. What is left out has its default."""

    default = serializers.BooleanField(
        required=False, help_text="People get it unless they switch it off. False by default where it is promotional."
    )
    channels = serializers.ListField(
        child=serializers.ChoiceField(choices=channel_choices()), required=False, allow_null=True
    )
    cap = CapShape(required=False, allow_null=True)
    overflow = serializers.ChoiceField(choices=choices_of(Overflow), required=False, default=Overflow.WAIT.value)
    digest = DigestShape(required=False, allow_null=True)
    quiet = serializers.BooleanField(required=False, default=True, help_text="It obeys quiet hours.")
    late = serializers.ChoiceField(choices=choices_of(Late), required=False, default=Late.SEND.value)
    on_uncertain = serializers.ChoiceField(choices=Category.OnUncertain.choices, required=False, default="resend")
    sensitive = serializers.BooleanField(required=False, default=False)
    passes = serializers.ListField(child=serializers.ChoiceField(choices=PASSABLE), required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Returns the fields, one of which has a name that Python keeps for itself."""
        kind = serializers.ChoiceField(choices=choices_of(CategoryKind), required=False, default="transactional")
        return {"class": kind, **super().get_fields()}


class CategoryShape(CategoryEntry):
    """What a category says about those who receive it."""


class NamedCategory(CategoryShape):
    """The same, with its name."""

    name = serializers.CharField()


class CategoryList(serializers.Serializer[Any]):
    """All of them, by name."""

    categories = NamedCategory(many=True)


class PageLink(serializers.Serializer[Any]):
    """The address of a person's own page."""

    url = serializers.CharField()
