"""The bases of all admin pages: read-only tables, cheap paging, printed times, confirmation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import InvalidPage
from django.db import OperationalError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.utils.html import format_html

from project.database.dialects import bounded_reading
from project.database.refusals import took_too_long
from project.desk.audit import printed
from project.desk.listing import TOO_SLOW, BoundedPaginator, DeskList, filter_parameters
from project.desk.marks import mark_when_rendered, marked
from project.desk.rights import Right, may_any
from project.desk.unfold import ModelAdmin

M = TypeVar("M", bound=Model)
Context = dict[str, Any]
MOST_OF_WRONG_KEYS = 100  # characters
MOST_TYPED = 1_024  # characters of a search, as many as a receiver can have


class DeskAdmin(ModelAdmin[M]):
    """Lists that stay cheap on big tables. A person without the right to act who posts gets a 403."""

    change_list_template = "desk/change_list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_disable_select_all = True  # a selection is what was ticked
    list_filter_submit = True
    list_per_page = 50
    what_is_here = ""  # a sentence for the list that is empty
    first_step: tuple[str, str, str] | None = None  # how to get a first row: a sentence, an address and its words
    show_facets = admin.ShowFacets.NEVER
    act_rights: tuple[Right, ...] = ()  # of which one is needed for the page's verbs; none: Django's change permission

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeskList]:
        return DeskList

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[M]) -> Any:
        """Returns the rows of one page as the list shows them. Big tables read here what they need for so few rows."""
        return rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Returns True for the parameters of the list's own filters alone.

        A filter by any other column would show, by the rows it finds, values that the list masks or leaves out.
        """
        return lookup in filter_parameters(self, request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Returns True where this person may use a verb of the page; each verb asks for its own right, too."""
        if self.act_rights:
            return may_any(request, self.act_rights)
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        if request.method == "POST" and not self.has_act_permission(request):
            raise PermissionDenied
        try:
            with bounded_reading():
                shown = super().changelist_view(request, extra_context)
        except OperationalError as error:
            if not took_too_long(error):
                raise
            vars(request)[TOO_SLOW] = True
            shown = super().changelist_view(request, extra_context)
        return mark_when_rendered(shown)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Searches as Django does, except for texts that no row can contain."""
        if "\x00" in search_term or len(search_term) > MOST_TYPED:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request: HttpRequest, queryset: QuerySet[M], *place: Any) -> HttpResponse | None:
        """Acts as Django does, except for keys that no row of this table can have: these get a message."""
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        wrong = [key for key in keys if not self._is_key(key)]
        if wrong:
            messages.warning(request, f"There is no such row: {', '.join(wrong)[:MOST_OF_WRONG_KEYS]}")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *place)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        """Returns the row as Django does, but takes an empty `_to_field` for none."""
        return super().get_object(request, object_id, from_field or None)

    def _is_key(self, key: str) -> bool:
        try:
            self.opts.pk.clean(key, None)
        except ValidationError:
            return False
        return True

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Context | None = None) -> HttpResponse:
        """Shows Django's own page, for reading only."""
        if request.method == "POST":
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class ReadOnlyAdmin(DeskAdmin[M]):
    """A table that the admin only shows. People change it by verbs and not by editing."""

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
        return mark_when_rendered(super().changeform_view(request, object_id, form_url, extra_context))


def column(title: str, read: Callable[[Any], Any], *, labels: Mapping[str, str] | None = None) -> Callable[[Any], Any]:
    """Returns a column of a list, or a read-only field of a page. `labels` gives words their colour."""

    def shown(row: Any) -> Any:
        return read(row)

    shown.__name__ = title.replace(" ", "_")
    shown.__dict__.update({"label": dict(labels)} if labels else {})
    return admin.display(shown, description=title)


def time_column(field: str, title: str) -> Callable[[Any], Any]:
    """Returns a column that prints a time with its zone."""
    return column(title, lambda row: printed(getattr(row, field)))


def as_text(content: str) -> str:
    """Returns what was sent as text, with all markup escaped."""
    return format_html('<pre class="desk-text">{}</pre>', content) if content else ""


masked_receiver = column("receiver", lambda row: row.masked_receiver)


def confirmation(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    *,
    title: str,
    button: str,
    hidden: Mapping[str, str] = MappingProxyType({}),
    action: str = "",
    facts: Iterable[tuple[str, str]] = (),
    sentences: Iterable[str] = (),
    form: forms.Form | None = None,
    danger: bool = False,
    also: str = "",
    confirm: str = "yes",
    original: Model | None = None,
    cancel: str = "../",
) -> TemplateResponse:
    """Returns the page that asks before a verb acts. Its form posts `hidden` and the fields of `form` to `action`.

    Without an action it posts to its own page, and Cancel leads to the one above it.
    `button` posts confirm=yes, or the word given. `also` is a second and quieter button, which posts confirm=also.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "button": button,
        "hidden": dict(hidden),
        "action": action,
        "facts": [(name, marked(value)) for name, value in facts],
        "sentences": [marked(sentence) for sentence in sentences],
        "form": form,
        "danger": danger,
        "also": also,
        "confirm": confirm,
        "original": original,
        "cancel": cancel,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "desk/confirm.html", context)


Read = TypeVar("Read")


def ids_of(request: HttpRequest, read: Callable[[str], Read | None]) -> list[Read]:
    """Returns the ids that a page was asked about: `ids`, separated by commas, of the form or the address."""
    words = (request.POST if request.method == "POST" else request.GET).get("ids", "")
    found = (read(word) for word in words.split(",") if word)
    return list(dict.fromkeys(one for one in found if one is not None))


def is_list(request: HttpRequest) -> bool:
    """Returns True for a request for a list, or for a download of one."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith(("_changelist", "_export"))


def find_pages(request: HttpRequest) -> HttpResponse:
    """Searches the names of the pages, as Unfold does. Raises Http404 for results beyond the last."""
    try:
        return cast("HttpResponse", cast("Any", admin.site).search(request))
    except (InvalidPage, ValueError):
        raise Http404 from None


def stylesheet(_: HttpRequest) -> str:
    """Returns the address of our few styles. Unfold calls it."""
    return static("desk/admin.css")


def favicon(_: HttpRequest) -> str:
    """Returns the address of the icon that browsers show beside the title. Unfold calls it."""
    return static("desk/favicon.svg")
