"""What a list may be asked: its own filters, letter for letter. Whatever else is in an address changes nothing it says,
and nothing that is in an address or a form ends in an error of ours.

What is decided before the database is asked runs on SQLite alone. Hostile values run on PostgreSQL, the stricter one:
it takes no NUL and no number out of range. Those of the filters run on both, since each database has its own dates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin import ModelAdmin, site
from django.contrib.auth.models import User as Account
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.urls.converters import IntConverter

from project.desk.base import DeskAdmin
from project.desk.listing import filter_parameters
from tests.desk import letter, notification, staff, superuser
from users.people.models import Device, User

pytestmark = pytest.mark.django_db

DESKS = list(site._registry.items())
IDS = [model._meta.label_lower for model, _ in DESKS]
LOOKUPS = ("", "__exact", "__startswith", "__isnull", "__regex", "__in", "__gt")


def address_of(model: type[Model], page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def columns(model: type[Model], depth: int = 2) -> Iterator[str]:
    """Every path to a column from this model, through relations either way, the hidden ones too."""
    for field in model._meta.get_fields(include_hidden=True):
        names = {field.name, getattr(field, "attname", field.name)}
        query_name = getattr(field, "related_query_name", None)
        if query_name is not None:
            names |= {query_name()} if callable(query_name) else {query_name}
        for name in names:
            yield name
            related = field.related_model
            if depth and isinstance(related, type):
                yield from (f"{name}__{column}" for column in columns(related, depth - 1))


@pytest.fixture
def rows(db: None) -> None:
    user = User.objects.create(username="u1")
    Device.objects.create(user=user, channel="EMAIL", address="joan@example.org")
    superuser("boss")
    letter()
    notification()


@pytest.mark.sqlite
@pytest.mark.parametrize(("model", "desk"), DESKS, ids=IDS)
def test_a_list_takes_the_parameters_of_its_filters_and_nothing_else(
    anna: Client, rows: None, rf: Any, model: type[Model], desk: ModelAdmin[Any]
) -> None:
    assert isinstance(desk, DeskAdmin)
    own = filter_parameters(desk, rf.get("/"))
    paths = {f"{path}{lookup}" for path, lookup in product(set(columns(model)), LOOKUPS)} - own
    assert len(paths) > 20
    assert {path for path in paths if desk.lookup_allowed(path, "x", rf.get("/"))} == set()
    assert {path for path in own if not desk.lookup_allowed(path, "x", rf.get("/"))} == set()
    for path in [*sorted(paths)[:: len(paths) // 5], *(f"{name}__startswith" for name in own)]:
        assert anna.get(address_of(model), {path: "x"}).status_code == 400, path


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "question",
    [
        "auth_user_changelist?User_user_permissions%2B__user__password__startswith=",
        "auth_user_changelist?logentry__user__password__startswith=",
        "auth_user_changelist?password__startswith=",
        "users_user_changelist?devices__address__startswith=",
        "notifications_notification_changelist?dead_letter__discard_reason__startswith=",
        "auth_group_changelist?user__password__startswith=",
        "dlq_deadletter_changelist?cause__startswith=",
    ],
)
def test_what_is_hidden_cannot_be_guessed_letter_by_letter(viewer: Client, rows: None, question: str) -> None:
    page, _, query = question.partition("?")
    answers = {viewer.get(f"{reverse(f'admin:{page}')}?{query}{guess}").content for guess in ("", "z", "!")}
    assert len(answers) == 1


@pytest.mark.sqlite
@pytest.mark.parametrize(("model", "desk"), DESKS, ids=IDS)
def test_the_order_tells_nothing_of_a_column_that_is_not_for_it(
    anna: Client, rows: None, model: type[Model], desk: ModelAdmin[Any]
) -> None:
    """A masked column has no order of its own, and a list without sortable columns keeps its one order."""
    if desk.sortable_by is None:
        return
    numbers = range(len(desk.list_display) + 2)
    orders = {f"{sign}{number}" for sign, number in product(("", "-"), numbers)} | {"x", "-", "1.2.-3", "9" * 400}
    shown = set()
    for order in orders:
        answer = anna.get(address_of(model), {"o": order})
        shown.add(tuple(row.pk for row in answer.context["cl"].result_list))
    assert len(shown) == 1


@pytest.mark.sqlite
def test_a_row_is_found_by_its_key_alone(viewer: Client, rows: None) -> None:
    columns_of = {User: ("username", "name"), Account: ("password", "username", "email", "is_superuser")}
    for row, column in (
        (model._default_manager.latest("pk"), column) for model in columns_of for column in columns_of[model]
    ):
        address = address_of(type(row), "change", getattr(row, column) or "x")
        assert viewer.get(address, {"_to_field": column}).status_code == 400


def test_the_suggestions_need_the_right_to_see_and_answer_by_the_name_alone(viewer: Client, rows: None) -> None:
    field = {"app_label": "users", "model_name": "device", "field_name": "user"}
    suggestions = reverse("admin:autocomplete")
    assert viewer.get(suggestions, field | {"term": "u1"}).json()["results"] == [
        {"id": str(User.objects.get(username="u1").pk), "text": "u1"}
    ]
    for term in ("joan@example.org", "pbkdf2", "\x00", "x" * 3_000):
        assert viewer.get(suggestions, field | {"term": term}).json()["results"] == []
    narrow = Client()
    narrow.force_login(staff("narrow", "users.view_device"))
    assert narrow.get(suggestions, field | {"term": "u1"}).status_code == 403


HOSTILE = (
    *("0001-01-01", "9999-12-31", "9999-12-31T23:59:59", "0000-00-00", "2026-02-30", "10000-01-01", "99999999999999"),
    *("-1", "1e400", "9" * 400, "%00", "\x00", "\ud800".encode(errors="surrogatepass").decode(errors="replace")),
    *("[]", "{}", "null", "'; --", "../../etc", "٣", "x" * 5_000, ""),
)
TIMES = ("00:00", "23:59:59.999999", "24:00", "00:00+14:00", "x", "")


def test_no_value_of_a_filter_is_an_error(anna: Client, rows: None, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"  # its clocks change
    for model, desk in DESKS:
        request = anna.get(address_of(model)).wsgi_request
        names = filter_parameters(desk, request)
        dates = [(name, name[:-1] + "1") for name in names if name.endswith("_0")]
        for day, hour in dates:
            for words in product(HOSTILE[:2], TIMES):
                assert anna.get(address_of(model), dict(zip((day, hour), words, strict=True))).status_code == 200, words
        for value in HOSTILE:
            every = urlencode([(name, value) for name in names for _ in range(2)] + [("q", value), ("p", value)])
            assert anna.get(f"{address_of(model)}?{every}").status_code == 200, (model, value)


ACTIONS: list[dict[str, Any]] = [
    {"_selected_action": "abc"},
    {"_selected_action": ["1", "abc", "' OR 1=1"]},
    {"_selected_action": "9" * 40},
    {"_selected_action": "-1"},
    {"_selected_action": "\x00"},
    {"_selected_action": "1", "select_across": "1"},
    {"_selected_action": ["1"] * 900},
    {"select_across": "1"},
    {"_selected_action": "1", "index": "99"},
    {"_selected_action": "1", "index": "-7"},
    {"_selected_action": "1", "index": "x"},
    {"_selected_action": "1", "action": "no_such_action"},
    {"_selected_action": "1", "action": ""},
    {"_save": "1", "form-TOTAL_FORMS": "x"},
    {},
]


@pytest.mark.postgresql
@pytest.mark.parametrize("tampered", ACTIONS, ids=str)
def test_no_tampered_selection_is_an_error(anna: Client, rows: None, tampered: dict[str, Any]) -> None:
    for model, desk in DESKS:
        for action in ["delete_selected", *(desk.actions or ())]:
            answer = anna.post(address_of(model), {"action": action, "index": "0"} | tampered, follow=True)
            assert answer.status_code in (200, 400, 403), (model, action)


@pytest.mark.postgresql
def test_a_tampered_selection_is_said(anna: Client, rows: None) -> None:
    for model, action in ((User, "delete_selected"), (type(letter()), "replay_selected")):
        answer = anna.post(address_of(model), {"action": action, "index": 0, "_selected_action": "abc"}, follow=True)
        assert "There is no such row: abc" in answer.content.decode()


VALUES = ("", "abc", "9" * 40, "\x00", "0001-01-01T00:00", "9999-12-31T23:59")
PARAMETERS = (
    *("s", "extended", "page", "q", "p", "o", "e", "all", "ids", "term", "app_label", "model_name", "field_name"),
    *("_popup", "_to_field", "_changelist_filters", "_facets", "next", "confirm", "post", "expires_at", "generation"),
    *("username", "name", "channel", "address", "position", "user", "client", "scopes", "groups", "reason", "text"),
    *("devices-TOTAL_FORMS", "devices-INITIAL_FORMS", "usable_password", "password1", "password2"),
)


def every_address() -> Iterator[str]:
    """All addresses of the admin, for a row that is there, one that is not, and one that cannot be."""
    known = {"app_label": "users", "content_type_id": "1", "url": "nowhere", "name": "replay"}
    for pattern in site.get_urls():
        for each in getattr(pattern, "url_patterns", [pattern]):
            wanted = set(each.pattern.regex.groupindex)
            numbers = (
                any(isinstance(one, IntConverter) for one in each.pattern.converters.values())
                or "content_type_id" in wanted
            )
            for key in ("1", "9" * 18) if numbers else ("1", "abc", "9" * 40, "%00"):
                if each.name and (wanted or key == "1"):
                    yield reverse(f"admin:{each.name}", kwargs={name: known.get(name, key) for name in wanted})


@pytest.mark.postgresql
def test_no_address_of_the_admin_is_an_error_whatever_is_asked(anna: Client, rows: None) -> None:
    ends_it_for_others = ("logout", "read-only")
    addresses = sorted({each for each in every_address() if not any(word in each for word in ends_it_for_others)})
    assert len(addresses) > 100
    wrong = []
    anna.raise_request_exception = False
    for address, value in product(addresses, VALUES):
        everything = dict.fromkeys(PARAMETERS, value)
        wrong += [(address, value)] if anna.get(address, everything).status_code >= 500 else []
        wrong += [(address, value)] if anna.post(address, everything).status_code >= 500 else []
    assert wrong == []


@pytest.mark.postgresql
@pytest.mark.parametrize("query", ["s=demo&page=2", "s=demo&page=0", "s=u&page=abc", "s=%00&page=-1", "s=u&extended=1"])
def test_a_page_of_found_pages_that_is_not_there_is_no_error(anna: Client, query: str) -> None:
    missing = "page" in query
    assert anna.get(f"{reverse('admin:search')}?{query}").status_code == (404 if missing else 200)
