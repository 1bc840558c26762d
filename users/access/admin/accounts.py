"""The pages of staff: their accounts and groups, which are Django's own. Superusers alone decide about access."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from project.desk.base import DeskAdmin, column
from project.desk.search import ExactSearch
from project.desk.unfold import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from project.desk.unfold import UserAdmin as DjangoUserAdmin

M = TypeVar("M", bound=Model)


def rights_of(account: User) -> str:
    """Returns what an account may do at all, in a word. Without the staff flag no account gets into the admin."""
    if not (account.is_active and account.is_staff):
        return "no access"
    return "superuser" if account.is_superuser else "staff"


full_name = column("name", User.get_full_name)
rights = column("rights", rights_of, labels={"superuser": "warning", "staff": "info"})


def decides(request: HttpRequest) -> bool:
    """Returns whether who asks is a superuser."""
    return bool(request.user.is_active and request.user.is_superuser)


class ForSuperusers(DeskAdmin[M]):
    """A table that superusers change. With the view permission others read it.

    Whoever could change an account or a group could give themselves every permission.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return decides(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return decides(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return decides(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return decides(request)


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(ForSuperusers[User], ExactSearch[User], DjangoUserAdmin[User]):
    form: Any = UserChangeForm
    add_form = AdminUserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", full_name, rights, "last_login")
    list_filter = ()
    search_fields = ("username",)
    search_help_text = "Beginning of the username"
    ordering = ("username",)
    sortable_by = ()
    filter_horizontal = ("user_permissions",)
    autocomplete_fields = ("groups",)
    add_fieldsets = ((None, {"fields": ("username", "is_staff", "usable_password", "password1", "password2")}),)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Django's. Who does not decide about access sees nothing of it, and no address."""
        if obj is None or decides(request):
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("username", "first_name", "last_name", "is_active")}),)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def find(self, queryset: QuerySet[User], term: str, most: int) -> QuerySet[User]:
        return queryset.filter(username__startswith=term)


@admin.register(Group)
class GroupAdmin(ForSuperusers[Group], DjangoGroupAdmin):
    search_fields = ("name",)
