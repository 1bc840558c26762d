"""The pages of people and of their devices."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from notifications.channels import channel_choices, channel_class, masked
from project.desk.base import column
from project.desk.filters import word_filter
from project.desk.search import ExactSearch
from project.desk.unfold import ModelForm, TabularInline
from users.people.models import Device, User

masked_address = column("address", lambda device: masked(device.channel, device.address))


class DeviceForm(ModelForm[Device]):
    """An address must be one for its channel, by the rules of the intake."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        channel, address = cleaned.get("channel"), cleaned.get("address")
        if channel and address and (problem := channel_class(channel).receiver_problem(address)):
            self.add_error("address", problem)
        return cleaned


class DeviceInline(TabularInline[Device, User]):
    model = Device
    form = DeviceForm
    extra = 0
    hide_title = True
    verbose_name_plural = "Devices, the preferred one first"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Only those who may change an address see all of it."""
        shown = "address" if request.user.has_perm("users.change_device") else masked_address
        return ("channel", shown, "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if request.user.has_perm("users.change_device") else ("channel", masked_address, "position")

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_add_permission(request, obj) and request.user.has_perm("users.change_device")


@admin.register(User)
class PersonAdmin(ExactSearch[User]):
    list_display = ("username", "name")
    search_fields = ("username",)
    search_help_text = "Beginning of the username"
    ordering = ("username",)
    sortable_by = ()
    fields = ("username", "name")
    inlines: ClassVar = [DeviceInline]

    def find(self, queryset: QuerySet[User], term: str, most: int) -> QuerySet[User]:
        return queryset.filter(username__startswith=term)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) or self.has_delete_permission(request)


@admin.register(Device)
class DeviceAdmin(ExactSearch[Device]):
    form = DeviceForm
    list_display = ("user", "channel", masked_address, "position")
    list_select_related = ("user",)
    list_filter = (word_filter("channel", channel_choices),)
    search_fields = ("user",)
    search_help_text = "Exact username"
    ordering = ("-id",)
    sortable_by = ()
    autocomplete_fields = ("user",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        may_change = self.has_change_permission(request) or obj is None
        return ("user", "channel", "address" if may_change else masked_address, "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        may_change = self.has_change_permission(request) or obj is None
        return () if may_change else ("user", "channel", masked_address, "position")

    def find(self, queryset: QuerySet[Device], term: str, most: int) -> QuerySet[Device]:
        return queryset.filter(user__username=term)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) or self.has_delete_permission(request)
