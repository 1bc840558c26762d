"""Downloads a filtered list as CSV: bounded, masked as the person's rights demand, and written down."""

from __future__ import annotations

import csv
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from notifications.messages.words import StaffVerb
from project.database.dialects import bounded_reading
from project.desk.audit import write_actions
from project.desk.base import Context, DeskAdmin
from project.desk.marks import marked
from project.desk.rights import Right, may, need
from project.desk.sight import Sight

MOST_EXPORTED = 10_000  # rows
AT_ONCE = 500
# What a spreadsheet takes for the beginning of a formula, or skips before one.
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UTF_8 = "\ufeff"  # tells spreadsheets that this is no old code page

OTHERS = Sight(receivers=False, contents=False, asks=False)  # whoever reads what was written down

M = TypeVar("M", bound=Model)


class ExportAdmin(DeskAdmin[M]):
    """A list whose rows can be downloaded with EXPORT. POST, because it is recorded."""

    export_head: tuple[str, ...]

    @abstractmethod
    def export_lines(self, request: HttpRequest, keys: Sequence[Any]) -> Iterable[Sequence[object]]:
        """Returns a line for each of these rows, of which there are few, as this person may see it."""

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view(self.export_view)
        return [path("export/", guarded, name=self._export_name()), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        address = reverse(f"admin:{self._export_name()}") if may(request, Right.EXPORT) else ""
        more = {"export_address": address, "export_query": request.GET.urlencode(), "most_exported": MOST_EXPORTED}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Sends the rows of the list with this address, the newest first, and writes down that it did."""
        need(request, Right.EXPORT)
        home = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if request.method != "POST" or not self.has_view_permission(request):
            return HttpResponseRedirect(f"{home}?{request.GET.urlencode()}")
        try:
            with bounded_reading():
                chosen = self.get_changelist_instance(request)
                keys = list(chosen.get_queryset(request).values_list("pk", flat=True)[:MOST_EXPORTED])
        except (DisallowedModelAdminLookup, IncorrectLookupParameters):
            messages.warning(request, "These filters cannot be used: choose them anew.")
            return HttpResponseRedirect(home)
        filters = [f"{chip.name}: {OTHERS.person(chip.words)}" for chip in getattr(chosen, "chips", ())]
        searched = ["a search"] if request.GET.get("q") else []  # what for may be an address
        note = "; ".join([f"{len(keys):,} rows", *filters, *searched])
        with transaction.atomic():
            target = f"list of {self.opts.verbose_name_plural}"
            write_actions(request.user.get_username(), StaffVerb.EXPORT, [(target, None)], note)
        name = f"{str(self.opts.verbose_name_plural).replace(' ', '-')}-{timezone.localtime():%Y-%m-%d-%H%M}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(self._file(request, keys), content_type="text/csv; charset=utf-8", headers=headers)

    def _file(self, request: HttpRequest, keys: Sequence[Any]) -> Iterator[str]:
        writer = csv.writer(_Line())
        yield UTF_8 + writer.writerow(self.export_head)
        rest = iter(keys)
        while some := list(islice(rest, AT_ONCE)):
            with bounded_reading():
                lines = [[harmless(str(cell)) for cell in line] for line in self.export_lines(request, some)]
            yield from (writer.writerow(line) for line in lines)

    def _export_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"


class _Line:
    """A file for the csv module, whose `write` gives the line back."""

    def write(self, line: str) -> str:
        return line


def harmless(text: str) -> str:
    """Returns a cell that no spreadsheet takes for a formula, and whose direction changes nothing."""
    shown = marked(text)
    return f"'{shown}" if shown.startswith(FORMULA) else shown
