"""The pages of staff: their accounts and groups, which are Django's own.

The groups decide what somebody may do. Superusers alone decide what a group may do.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from notifications.messages.words import StaffVerb
from project.desk.audit import Change, one_at_a_time, write_actions
from project.desk.base import DeskAdmin, column
from project.desk.rights import Right, may
from project.desk.search import ExactSearch
from project.desk.unfold import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    CheckboxSelectMultiple,
    UserChangeForm,
)
from project.desk.unfold import UserAdmin as DjangoUserAdmin

M = TypeVar("M", bound=Model)


def rights_of(account: User) -> str:
    """Returns what an account may do at all, in a word. Without the staff flag no account gets into the admin."""
    if not (account.is_active and account.is_staff):
        return "no access"
    return "superuser" if account.is_superuser else "staff"


def groups_of(account: User) -> str:
    return ", ".join(group.name for group in account.groups.all()) or "–"


full_name = column("name", User.get_full_name)
groups = column("groups", groups_of)
rights = column("access", rights_of, labels={"superuser": "warning", "staff": "info"})


def decides(request: HttpRequest) -> bool:
    """Returns whether who asks is a superuser."""
    return bool(request.user.is_active and request.user.is_superuser)


class ForSuperusers(DeskAdmin[M]):
    """A table that superusers change. With the view permission others read it.

    Whoever could change a group could give themselves every permission.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return decides(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return decides(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return decides(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return decides(request)


def stands_below(request: HttpRequest, account: User) -> bool:
    """Returns True where the account may do nothing that this person may not: only then they decide about it."""
    if decides(request):
        return True
    if account.is_superuser:
        return False
    mine = request.user.get_all_permissions()
    fresh = User.objects.get(pk=account.pk)
    return {f"{app}.{name}" for app, name in _permissions_of(fresh)} <= mine


def groups_below(request: HttpRequest) -> QuerySet[Group]:
    """Returns the groups into which this person may put somebody: those that give no more than they have."""
    if decides(request):
        return Group.objects.all()
    mine = request.user.get_all_permissions()
    names = ("permissions__content_type__app_label", "permissions__codename")
    given = Group.objects.values_list("pk", *names)
    above = {pk for pk, app, codename in given if codename and f"{app}.{codename}" not in mine}
    return Group.objects.exclude(pk__in=above)


def standing_of(account: User) -> str:
    """Returns how an account stands, for the record."""
    alone = account.user_permissions.count()
    return ", ".join(filter(None, (rights_of(account), groups_of(account), f"{alone} single" if alone else "")))[:255]


def permissions_in_words(group: Group) -> str:
    return f"{group.permissions.count()} permissions"


def record(request: HttpRequest, verb: StaffVerb, account: User, change: Change, note: str = "") -> None:
    target = (f"account {account.get_username()}"[:100], None)
    write_actions(request.user.get_username(), verb, [target], note, change=change)


def _permissions_of(account: User) -> set[tuple[str, str]]:
    """Returns what an account may do or could, were it active."""
    of_anybody = Permission.objects.filter(Q(user=account) | Q(group__user=account))
    return set(of_anybody.values_list("content_type__app_label", "codename"))


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(ExactSearch[User], DjangoUserAdmin[User]):
    """Accounts, and the groups that they are in.

    Whoever has MANAGE_STAFF makes accounts, and puts them into groups that give no more than they have themselves.
    Superusers, single permissions and accounts with more rights are for superusers alone.
    """

    form: Any = UserChangeForm
    add_form = AdminUserCreationForm
    change_password_form = AdminPasswordChangeForm
    act_rights = (Right.MANAGE_STAFF,)
    list_display = ("username", full_name, groups, rights, "last_login")
    list_filter = ()
    search_fields = ("username",)
    search_help_text = "Beginning of the username"
    ordering = ("username",)
    sortable_by = ()
    filter_horizontal = ("user_permissions",)
    add_fieldsets = (
        (None, {"fields": ("username", "groups", "is_staff", "usable_password", "password1", "password2")}),
    )

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return may(request, Right.MANAGE_STAFF) or super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request, Right.MANAGE_STAFF)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may(request, Right.MANAGE_STAFF) and (not isinstance(obj, User) or stands_below(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Returns True for superusers: the record names accounts, and one that is not active gets in nowhere."""
        return decides(request)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Returns what may be decided about, the groups first. Who may only look sees nothing of access."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": ("username", "first_name", "last_name", "is_active")}),)
        single = ("Single permissions", {"fields": ("is_superuser", "user_permissions"), "classes": ("collapse",)})
        return (
            (None, {"fields": ("username", "groups", "password")}),
            ("Gets in", {"fields": ("is_active", "is_staff")}),
            ("About", {"fields": ("first_name", "last_name", "email", "last_login", "date_joined")}),
            *([single] if decides(request) else []),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Returns also the username of an existing account, but for superusers.

        The record knows people by it, and so does the rule that nobody approves a run of their own.
        """
        renames = obj is None or decides(request)
        return ("last_login", "date_joined") if renames else ("username", "last_login", "date_joined")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offers the groups that give no more than this person has."""
        if db_field.name == "groups":
            kwargs["queryset"] = groups_below(request)
            kwargs["widget"] = CheckboxSelectMultiple()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def find(self, queryset: QuerySet[User], term: str, most: int) -> QuerySet[User]:
        return queryset.filter(username__startswith=term)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        before = User.objects.get(pk=obj.pk) if change else None
        vars(obj)["was"] = standing_of(before) if before else ""
        vars(obj)["old_name"] = before.username if before and before.username != obj.username else ""
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Saves the groups, and writes down how the account stood and stands."""
        with one_at_a_time():
            super().save_related(request, form, formsets, change)
            was, now = vars(form.instance).pop("was"), standing_of(User.objects.get(pk=form.instance.pk))
            old_name = vars(form.instance).pop("old_name")
            note = f"renamed from {old_name}" if old_name else ""
            flagged = bool("superuser" in now or old_name)
            record(request, StaffVerb.SET_ACCOUNT, form.instance, Change(was, now, flagged=flagged), note)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        with one_at_a_time():
            record(request, StaffVerb.DELETE_ACCOUNT, obj, Change(standing_of(obj)))
            super().delete_model(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Sets a password as Django does, and writes down whose."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302 and (account := self.get_object(request, id)):
            record(request, StaffVerb.LET_IN_ANEW, account, Change())
        return answer


@admin.register(Group)
class GroupAdmin(ForSuperusers[Group], DjangoGroupAdmin):
    """The groups, which superusers alone change: what a group may do, its members may."""

    search_fields = ("name",)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Saves what the group may do, and writes down how many permissions it had and has."""
        with one_at_a_time():
            before = permissions_in_words(form.instance) if change else ""
            super().save_related(request, form, formsets, change)
            made = Change(before, permissions_in_words(form.instance), flagged=True)
            target = (f"group {form.instance.name}"[:100], None)
            write_actions(request.user.get_username(), StaffVerb.SET_GROUP, [target], change=made)
