"""Users with their devices, staff accounts and groups. Only superusers decide about access."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from notifications.channels import channel_choices, channel_class, masked
from project.desk.base import DeskAdmin, column
from project.desk.filters import WordFilter, word_filter
from project.desk.search import ExactSearch
from project.desk.unfold import AdminPasswordChangeForm, ModelForm, TabularInline, UserChangeForm
from project.desk.unfold import UserAdmin as DjangoUserAdmin
from users.people.models import Device, User

masked_address = column("address", lambda device: masked(device.channel, device.address))
kind = column("kind", lambda user: "staff" if user.is_staff else "notified", labels={"staff": "info"})


class KindFilter(WordFilter):
    """Who works here, and who is only notified."""

    title = "kind"
    parameter_name = "kind"

    @staticmethod
    def words() -> list[tuple[str, str]]:
        return [("notified", "Notified users"), ("staff", "Staff")]

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(is_staff=word == "staff")


class DeviceForm(ModelForm[Device]):
    """An address must be one for its channel, by the rules of the intake."""

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        channel, address = said.get("channel"), said.get("address")
        if channel and address and (problem := channel_class(channel).receiver_problem(address)):
            self.add_error("address", problem)
        return said


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


class NewUserForm(ModelForm[User]):
    """Somebody to be notified. A superuser makes staff of them afterwards, and gives them a password."""

    class Meta:
        model = User
        fields = ("username", "name")

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        user: User = super().save(commit)
        return user


@admin.register(User)
class UserAdmin(ExactSearch[User], DjangoUserAdmin[User]):
    form: Any = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "name", kind, "is_active")
    list_filter = (KindFilter,)
    list_filter_submit = True
    search_fields = ("username",)
    search_help_text = "Beginning of the username"
    ordering = ("username",)
    sortable_by = ()
    inlines: ClassVar = [DeviceInline]
    filter_horizontal = ("user_permissions",)
    autocomplete_fields = ("groups",)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("username", "name")}),)
        who = (None, {"fields": ("username", "name", "is_active")})
        if not self._decides(request):
            return (who,)
        access: tuple[str, ...] = ("is_staff", "is_superuser", "password")
        if isinstance(obj, User) and obj.is_staff:
            access += ("groups", "user_permissions")
        return (who, ("Access to this admin", {"fields": access}))

    def find(self, queryset: QuerySet[User], term: str, most: int) -> QuerySet[User]:
        return queryset.filter(username__startswith=term)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Staff accounts are changed by superusers only: whoever could rename one could take it over."""
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) or self.has_delete_permission(request)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        if not self._decides(request):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def _decides(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def _may_touch(self, request: HttpRequest, user: User | None) -> bool:
        return self._decides(request) or user is None or not (user.is_staff or user.is_superuser)


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


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, DeskAdmin[Group]):
    """What a group may do decides about access, so it is for superusers."""

    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
