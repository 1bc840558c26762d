"""The pages of people and of their devices."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from notifications.channels import channel_choices, channel_class, masked
from notifications.messages.words import StaffVerb
from project.database.beginnings import begins
from project.desk.audit import change_of_receiver, one_at_a_time, write_actions
from project.desk.base import column
from project.desk.filters import word_filter
from project.desk.links import person_url
from project.desk.rights import Right, may
from project.desk.search import ExactSearch, first_matches
from project.desk.unfold import ModelForm, TabularInline
from users.people.models import Device, User


def _page_of(user: User, text: str) -> str:
    """Returns a link to everything that this person was sent."""
    url = person_url(user.username, key=user.pk)
    return format_html('<a class="desk-link" href="{}"><bdi dir="auto">{}</bdi></a>', url, text)


page_link = column("sent to them", lambda user: _page_of(user, "Everything"))
number = column("device", lambda device: f"#{device.pk}")
owner = column("user", lambda device: _page_of(device.user, device.user.username))
masked_address = column("address", lambda device: masked(device.channel, device.address))


class DeviceForm(ModelForm[Device]):
    """An address must be one for its channel, by the rules of the intake."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():  # in a table the name stands only above the column
            field.widget.attrs.setdefault("aria-label", name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        channel, address = cleaned.get("channel"), cleaned.get("address")
        if channel and address and (problem := channel_class(channel).receiver_problem(address)):
            self.add_error("address", problem)
        return cleaned


def sees_addresses(request: HttpRequest) -> bool:
    """Returns True where this person sees whole addresses: whoever may correct one has to read it."""
    return request.user.has_perm("users.change_device") or may(request, Right.SEE_RECEIVER)


def record_device(request: HttpRequest, verb: StaffVerb, device: Device, before: str, after: str) -> None:
    """Writes down the address that a device had and has, masked and hashed."""
    change = change_of_receiver(device.channel, before, after)
    target = (f"device of {device.user.username}"[:100], None)
    write_actions(request.user.get_username(), verb, [target], note=device.channel, change=change)


def save_device(request: HttpRequest, device: Device) -> None:
    """Saves a device that somebody typed, and writes it down where its address is another one.

    Given to another person or channel, it is gone from the one and new at the other.
    """
    with one_at_a_time():
        was = Device.objects.select_related("user").filter(pk=device.pk).first()
        device.save()
        before = was.address if was else ""
        if was and (was.user_id, was.channel) != (device.user_id, device.channel):
            record_device(request, StaffVerb.DELETE_DEVICE, was, was.address, "")
            before = ""
        if before != device.address:
            record_device(request, StaffVerb.SET_DEVICE, device, before, device.address)


def delete_device(request: HttpRequest, device: Device) -> None:
    with one_at_a_time():
        record_device(request, StaffVerb.DELETE_DEVICE, device, device.address, "")
        device.delete()


class DeviceInline(TabularInline[Device, User]):
    model = Device
    form = DeviceForm
    extra = 0
    hide_title = True
    verbose_name_plural = "Devices, the preferred one first"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Returns the address whole for those who may see receivers or correct addresses, masked for others."""
        return ("channel", "address" if sees_addresses(request) else masked_address, "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if request.user.has_perm("users.change_device") else self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_add_permission(request, obj) and request.user.has_perm("users.change_device")


@admin.register(User)
class PersonAdmin(ExactSearch[User]):
    list_display = ("username", "name", page_link)
    search_fields = ("username",)
    search_help_text = "Beginning of the username, the name or the last name"
    ordering = ("username",)
    sortable_by = ()
    fields = ("username", "name")
    change_form_outer_before_template = "users/person_link.html"
    inlines: ClassVar = [DeviceInline]

    def find(self, queryset: QuerySet[User], term: str, most: int) -> QuerySet[User]:
        """Returns the people whose username, name or last name begins so, in any case."""
        matches = (begins(f"searched_{each}", term.lower()) for each in ("username", "name", "last_name"))
        return first_matches(queryset, matches, most)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) or self.has_delete_permission(request)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Saves the devices below the person, each written down."""
        for device in formset.save(commit=False):
            save_device(request, device)
        for device in formset.deleted_objects:
            delete_device(request, device)
        formset.save_m2m()

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        with one_at_a_time():
            super().save_model(request, obj, form, change)
            if form.changed_data or not change:
                target = (f"user {obj.username}"[:100], None)
                note = f"{'changed' if change else 'new'}: {', '.join(form.changed_data)}"
                write_actions(request.user.get_username(), StaffVerb.PUT_USER, [target], note=note)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        with one_at_a_time():
            target = (f"user {obj.username}"[:100], None)
            write_actions(request.user.get_username(), StaffVerb.DELETE_USER, [target])
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            self.delete_model(request, user)


@admin.register(Device)
class DeviceAdmin(ExactSearch[Device]):
    form = DeviceForm
    list_display = (number, owner, "channel", masked_address, "position")
    list_display_links = (number,)
    list_select_related = ("user",)
    list_filter = (word_filter("channel", channel_choices),)
    search_fields = ("user",)
    search_help_text = "Exact username"
    ordering = ("-id",)
    sortable_by = ()
    autocomplete_fields = ("user",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        shown = "address" if obj is None or sees_addresses(request) else masked_address
        return ("user", "channel", shown, "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        may_change = self.has_change_permission(request) or obj is None
        return () if may_change else self.get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: Any) -> None:
        save_device(request, obj)

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        delete_device(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        for device in queryset.select_related("user"):
            delete_device(request, device)

    def find(self, queryset: QuerySet[Device], term: str, most: int) -> QuerySet[Device]:
        return queryset.filter(user__username=term)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) or self.has_delete_permission(request)
