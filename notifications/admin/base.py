"""What the pages of the admin share: read-only ledgers, cheap paging, printed times, confirmation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.utils.functional import cached_property
from django.utils.html import format_html

from notifications.admin.unfold import ModelAdmin, Paginator
from notifications.staff import printed

M = TypeVar("M", bound=Model)
Context = dict[str, Any]


class BoundedPaginator(Paginator[Any]):
    """Counts no further than `most`, so that a page of a table with millions of rows stays cheap."""

    template_name = "notifications/admin/pagination.html"
    most = 10_000

    @cached_property
    def counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.most + 1].count()

    @property
    def count(self) -> int:
        return min(self.counted, self.most)

    @property
    def more(self) -> bool:
        return self.counted > self.most


class DeskAdmin(ModelAdmin[M]):
    """Lists that stay cheap on big tables, and a 403 for whoever posts without the right to act."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_disable_select_all = True  # a selection is what was ticked
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The filters' own. Any other column would tell, by what is found, what the list masks."""
        filters = [
            str(each[0] if isinstance(each, tuple) else getattr(each, "parameter_name", each))
            for each in self.list_filter
        ]
        fields = self.opts.get_fields()  # relations too, either way
        columns = {"pk", *(field.name for field in fields), *(getattr(field, "attname", "") for field in fields)}
        return lookup.startswith(tuple(filters)) or lookup.partition("__")[0] not in columns

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether this person may use the page's verbs: the model's change permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        if request.method == "POST" and not self.has_act_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Context | None = None) -> HttpResponse:
        """Django's own page, to read only."""
        if request.method == "POST":
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class ReadOnlyAdmin(DeskAdmin[M]):
    """A table that the admin only shows; what can be done to it are verbs, not edits."""

    list_display_links: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Context | None = None,
    ) -> Any:
        if request.method == "POST" and object_id is not None:
            raise PermissionDenied
        return super().changeform_view(request, object_id, form_url, extra_context)


def column(title: str, read: Callable[[Any], Any], *, labels: Mapping[str, str] | None = None) -> Callable[[Any], Any]:
    """A column of a list, or a read-only field of a page; `labels` gives words their colour."""

    def shown(row: Any) -> Any:
        return read(row)

    shown.__name__ = title.replace(" ", "_")
    shown.__dict__.update({"label": dict(labels)} if labels else {})
    return admin.display(shown, description=title)


def time_column(field: str, title: str) -> Callable[[Any], Any]:
    """A column that prints a time with its zone."""
    return column(title, lambda row: printed(getattr(row, field)))


def as_text(content: str) -> str:
    """What was sent, as text and never as markup."""
    return format_html('<pre class="desk-text">{}</pre>', content) if content else ""


masked_receiver = column("receiver", lambda row: row.masked_receiver)


def confirmation(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    *,
    title: str,
    button: str,
    hidden: Mapping[str, str],
    action: str = "",
    facts: Iterable[tuple[str, str]] = (),
    sentences: Iterable[str] = (),
    form: forms.Form | None = None,
    danger: bool = False,
    also: str = "",
    original: Model | None = None,
    cancel: str = "../",
) -> TemplateResponse:
    """The page between a button and its deed. Its form posts `hidden` and the fields of `form` to `action`.

    `button` posts confirm=yes, `also`, a second and quieter button, confirm=also.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "button": button,
        "hidden": dict(hidden),
        "action": action,
        "facts": list(facts),
        "sentences": list(sentences),
        "form": form,
        "danger": danger,
        "also": also,
        "original": original,
        "cancel": cancel,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "notifications/admin/confirm.html", context)


Read = TypeVar("Read")


def ids_of(request: HttpRequest, read: Callable[[str], Read | None]) -> list[Read]:
    """The ids that a page was asked about: `ids`, separated by commas, of the form or the address."""
    said = (request.POST if request.method == "POST" else request.GET).get("ids", "")
    found = (read(word) for word in said.split(",") if word)
    return [one for one in found if one is not None]


def is_list(request: HttpRequest) -> bool:
    """Whether the request is for a list rather than for one row."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith("_changelist")


def stylesheet(_: HttpRequest) -> str:
    """Unfold's hook: our few styles beside its own."""
    return static("notifications/admin.css")
