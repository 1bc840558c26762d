"""The shapes of the directory, for answers and for the OpenAPI description."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS
from users.people.directory import MAX_DEVICES, MAX_NAME
from users.people.models import Device, User


class DeviceShape(serializers.ModelSerializer[Device]):
    """An address on one channel."""

    type = serializers.ChoiceField(choices=channel_choices(), source="channel")
    address = serializers.CharField(max_length=LENGTHS["receiver"])

    class Meta:
        model = Device
        fields: ClassVar = ["type", "address"]


class UserEntry(serializers.Serializer[Any]):
    """A user as they are from now on; the order of the devices is the preference."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME)
    devices = serializers.ListField(child=DeviceShape(), max_length=MAX_DEVICES)


class UserShape(serializers.ModelSerializer[User]):
    """A user with their devices, the preferred first."""

    devices = DeviceShape(many=True)

    class Meta:
        model = User
        fields: ClassVar = ["username", "name", "devices"]
        read_only_fields = fields
