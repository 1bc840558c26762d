"""The list of problems: the first page of the desk. What needs somebody comes first."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from dlq.admin.problems import problem_page
from dlq.admin.problems import problem_shown as shown
from dlq.models import Problem, ProblemHour
from dlq.problems.assigning import hour_of
from dlq.problems.counts import HOURS_BEFORE, ONE_HOUR, STANDING, Rates
from notifications.channels import channel_choices
from notifications.models import Standing
from project.desk import cells
from project.desk.audit import printed
from project.desk.base import Context, ReadOnlyAdmin, column
from project.desk.filters import WordFilter, word_filter
from project.desk.in_words import choices_in_words

BARS = 24
OLD = timedelta(minutes=2)
State = Problem.State
QUIET = Q(state=State.KNOWN) & (Q(quiet_until__gt=Now()) | Q(quiet_until__isnull=True, quiet_below__isnull=False))


class NeedFilter(WordFilter):
    """Shows what needs somebody, unless a state is chosen or something is searched."""

    title = "state"
    parameter_name = "state"
    field = "state"
    all_option = None

    @staticmethod
    def words() -> list[tuple[str, str]]:
        return [("", "Needs somebody"), ("growing", "growing"), *State.choices, ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value() or ("all" if request.GET.get("q", "").strip() else "")
        if state == "all":
            return queryset
        if state == "growing":
            return queryset.filter(growing=True)
        if state:
            return queryset.filter(state=state) if state in State.values else queryset.none()
        return needing(queryset)


def needing(problems: QuerySet[Problem]) -> QuerySet[Problem]:
    """Returns those with open letters that are neither ignored nor quiet."""
    return problems.filter(open_letters__gt=0).exclude(state=State.IGNORED).exclude(QUIET)


def _problem(row: Problem) -> str:
    return format_html(
        '<span class="desk-problem"><strong>{}</strong> <span>{}</span> <bdi>{}</bdi></span>',
        *(shown.title(row), shown.way(row), shown.short_example(row)),
    )


problem = column("problem", _problem)


@admin.register(Problem)
class ProblemAdmin(ReadOnlyAdmin[Problem]):
    list_display = (
        problem,
        column("last day", lambda row: row.bars.svg),
        column("letters an hour", lambda row: shown.rates_in_words(row.rates)),
        column("open", lambda row: f"{row.open_letters:,}"),
        column("receivers", shown.receivers),
        column("first seen", lambda row: cells.age(row.first_seen)),
        column("last seen", lambda row: cells.age(row.last_seen)),
        column("state", shown.state, labels=shown.STATE_COLOURS),
        column("who", lambda row: row.owner or "–"),
    )
    list_display_links = (problem,)
    list_filter = (
        NeedFilter,
        word_filter("channel", channel_choices),
        word_filter("cause", partial(choices_in_words, "cause")),
    )
    list_per_page = 50
    list_before_template = "dlq/problems_before.html"
    what_is_here = "What fails for good is here, grouped by what really failed. An empty list is good news."
    search_fields = ("example", "fingerprint", "note", "link", "owner")
    search_help_text = "Words of the answer, of the note or link, or who is on it"
    ordering = ("-growing", "-last_seen")
    sortable_by = ()
    actions = ()

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[Problem]) -> list[Problem]:
        """Reads the problems of one page, and then the hours of all of them."""
        now = timezone.now()
        found: list[Any] = list(rows)
        hours: dict[int, dict[datetime, int]] = defaultdict(dict)
        since = hour_of(now) - max(BARS, HOURS_BEFORE + 1) * ONE_HOUR
        deaths = ProblemHour.objects.filter(problem__in=[row.pk for row in found], hour__gte=since)
        for pk, hour, count in deaths.order_by().values_list("problem_id", "hour", "deaths"):
            hours[pk][hour] = count
        for row in found:
            row.bars = shown.Bars.of(hours[row.pk], now, BARS)
            row.rates = Rates.of(hours[row.pk], now)
        return found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<int:problem_id>/do/<str:name>/", view, name="dlq_problem_verb"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        as_of = Standing.objects.filter(pk=STANDING).values_list("as_of", flat=True).first()
        old = as_of is not None and timezone.now() - as_of > OLD
        more = {"title": "Problems", "as_of": printed(as_of, none=""), "old": old}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        return problem_page.show(self, request, object_id)

    def verb_view(self, request: HttpRequest, problem_id: int, name: str) -> HttpResponse:
        return problem_page.verb(self, request, problem_id, name)
