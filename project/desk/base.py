"""What the pages of the admin share: read-only ledgers, cheap paging, printed times, confirmation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import InvalidPage
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.utils.html import format_html

from project.desk.audit import printed
from project.desk.listing import BoundedPaginator, DeskList, filter_parameters
from project.desk.marks import mark_when_rendered, marked
from project.desk.unfold import ModelAdmin

M = TypeVar("M", bound=Model)
Context = dict[str, Any]
MOST_OF_WRONG_KEYS = 100  # characters
MOST_TYPED = 1_024  # characters of a search, as many as a receiver can have


class DeskAdmin(ModelAdmin[M]):
    """Lists that stay cheap on big tables, and a 403 for whoever posts without the right to act."""

    change_list_template = "desk/change_list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_disable_select_all = True  # a selection is what was ticked
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeskList]:
        return DeskList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The parameters of the list's own filters, letter for letter.

        Any other column or relation would tell, by what is found, what the list masks or does not show at all.
        """
        return lookup in filter_parameters(self, request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether this person may use the page's verbs: the model's change permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        if request.method == "POST" and not self.has_act_permission(request):
            raise PermissionDenied
        return mark_when_rendered(super().changelist_view(request, extra_context))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Django's, but for what no row can hold."""
        if "\x00" in search_term or len(search_term) > MOST_TYPED:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request: HttpRequest, queryset: QuerySet[M], *place: Any) -> HttpResponse | None:
        """Django's, but for what no row of this table can be called: that is said instead of looked up."""
        said = request.POST.getlist(ACTION_CHECKBOX_NAME)
        wrong = [key for key in said if not self._is_key(key)]
        if wrong:
            messages.warning(request, f"There is no such row: {', '.join(wrong)[:MOST_OF_WRONG_KEYS]}")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *place)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        """Django's, which takes an empty `_to_field` for the name of a column."""
        return super().get_object(request, object_id, from_field or None)

    def _is_key(self, said: str) -> bool:
        try:
            self.opts.pk.clean(said, None)
        except ValidationError:
            return False
        return True

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
        return mark_when_rendered(super().changeform_view(request, object_id, form_url, extra_context))


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
        "facts": [(name, marked(value)) for name, value in facts],
        "sentences": [marked(sentence) for sentence in sentences],
        "form": form,
        "danger": danger,
        "also": also,
        "original": original,
        "cancel": cancel,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "desk/confirm.html", context)


Read = TypeVar("Read")


def ids_of(request: HttpRequest, read: Callable[[str], Read | None]) -> list[Read]:
    """The ids that a page was asked about: `ids`, separated by commas, of the form or the address."""
    said = (request.POST if request.method == "POST" else request.GET).get("ids", "")
    found = (read(word) for word in said.split(",") if word)
    return list(dict.fromkeys(one for one in found if one is not None))


def is_list(request: HttpRequest) -> bool:
    """Whether the request is for a list rather than for one row."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith("_changelist")


def find_pages(request: HttpRequest) -> HttpResponse:
    """Unfold's search among the names of the pages. Raises Http404 for results beyond the last."""
    try:
        return cast("HttpResponse", cast("Any", admin.site).search(request))
    except (InvalidPage, ValueError):
        raise Http404 from None


def stylesheet(_: HttpRequest) -> str:
    """Unfold's hook: our few styles beside its own."""
    return static("desk/admin.css")
