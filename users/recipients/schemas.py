"""The shapes of what people chose, for the OpenAPI description. `wishes.py` reads and writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS


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
    choices = ChoiceShape(many=True)


class PreferencesChange(serializers.Serializer[Any]):
    """What changes; what is not named stays."""

    time_zone = serializers.CharField(required=False, allow_null=True)
    quiet = QuietHours(required=False, allow_null=True)
    paused_until = serializers.DateTimeField(required=False, allow_null=True)
    all_off = serializers.BooleanField(required=False)
    cap = CapShape(required=False, allow_null=True)
    choices = ChoiceChange(many=True, required=False)


class PageLink(serializers.Serializer[Any]):
    """The address of a person's own page."""

    url = serializers.CharField()
