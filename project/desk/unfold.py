"""The classes of django-unfold (and Django) that the admin builds on, with the types of Django's own.

Unfold carries none, and Django's are generic only for the type checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import FieldListFilter as RangeDateTimeFilter
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin import SimpleListFilter as DropdownFilter
    from django.contrib.admin import SimpleListFilter as TextFilter
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.admin import UserAdmin
    from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
    from django.core.paginator import Paginator
    from django.forms import CheckboxInput, CheckboxSelectMultiple, ModelForm, Textarea, TextInput
else:
    from django import forms
    from django.contrib.auth import admin as auth
    from django.core import paginator
    from unfold import admin
    from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter, TextFilter
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.forms import UserCreationForm as AdminUserCreationForm
    from unfold.views import ChangeList
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as CheckboxSelectMultiple
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanWidget as CheckboxInput

    def generic(cls):
        """The class as its stubs have it: `ModelAdmin[Notification]` is `ModelAdmin`."""
        return type(cls.__name__, (cls,), {"__class_getitem__": classmethod(lambda cls, _: cls)})

    ModelAdmin, TabularInline = generic(admin.ModelAdmin), generic(admin.TabularInline)
    UserAdmin = generic(auth.UserAdmin)
    ModelForm, Paginator = generic(forms.ModelForm), generic(paginator.Paginator)


__all__ = [
    "AdminPasswordChangeForm",
    "AdminUserCreationForm",
    "ChangeList",
    "CheckboxInput",
    "CheckboxSelectMultiple",
    "DropdownFilter",
    "ModelAdmin",
    "ModelForm",
    "Paginator",
    "RangeDateTimeFilter",
    "TabularInline",
    "TextFilter",
    "TextInput",
    "Textarea",
    "UserAdmin",
    "UserChangeForm",
]
