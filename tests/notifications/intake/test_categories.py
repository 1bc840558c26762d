"""An unknown category is refused, with those there are; what the web knows of them costs no query."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries, Settings

from notifications.intake.categories import KnownCategories, known
from notifications.models import Category, IdempotencyKey
from tests.caller import EMAIL, Api, json_of, stored

NEWS = EMAIL | {"category": "news"}


def test_an_unknown_category_is_refused_with_those_there_are(api: Api) -> None:
    Category.objects.create(name="orders")
    answer = api.post("/notification", NEWS)
    assert (answer.status_code, json_of(answer)) == (
        400,
        {"category": ["There is no such category. There are: default, orders."]},
    )
    batch = api.post("/notifications", {"notifications": [EMAIL, NEWS, EMAIL | {"category": "orders"}, NEWS]})
    assert (batch.status_code, json_of(batch)) == (
        400,
        {
            "notifications": {
                "1": {"category": ["There is no such category. There are: default, orders."]},
                "3": {"category": ["There is no such category."]},
            }
        },
    )
    assert stored() == {}


def test_no_more_are_named_than_a_person_reads(api: Api) -> None:
    Category.objects.bulk_create(Category(name=f"c{number:03}") for number in range(60))
    (why,) = json_of(api.post("/notification", NEWS))["category"]
    assert why.endswith("c048, c049, and 11 more.")


def test_one_that_was_made_just_now_is_not_refused(api: Api) -> None:
    assert api.post("/notification", NEWS).status_code == 400
    assert api.put("/categories/news", {}).status_code == 201
    assert api.post("/notification", NEWS).status_code == 202


def test_the_setting_allows_new_ones(api: Api, settings: Settings) -> None:
    settings.NEW_CATEGORIES = True
    assert api.post("/notification", NEWS).status_code == 202


def test_a_repetition_is_answered_as_before_though_its_category_is_gone(api: Api) -> None:
    api.put("/categories/news", {})
    first = api.post("/notification", NEWS, Idempotency_Key="one")
    api.delete("/categories/news")
    known.forget()
    assert api.post("/notification", NEWS, Idempotency_Key="one").content == first.content
    assert api.post("/notification", NEWS, Idempotency_Key="two").status_code == 400
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db
def test_known_names_cost_no_query_for_a_second(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    now = 100.0
    Category.objects.create(name="news")
    web = KnownCategories(lambda: now)
    with django_assert_num_queries(0):
        assert not web.unknown({"default"})
    with django_assert_num_queries(1):
        assert not web.unknown({"news", "default"})
    with django_assert_num_queries(0):
        now += 0.9
        assert not web.unknown({"news"})
    with django_assert_num_queries(1):
        assert web.unknown({"nows", "news"}) == {"nows"}
    with django_assert_num_queries(1):
        now += 1.1
        assert not web.unknown({"news"})


@pytest.mark.django_db
def test_without_the_database_no_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[float] = []

    def fails(*_: Any, **__: Any) -> Any:
        reads.append(1)
        raise OperationalError("gone")

    now = 100.0
    web = KnownCategories(lambda: now)
    assert web.unknown({"nows"}) == {"nows"}
    now += 0.1
    with monkeypatch.context() as broken:
        broken.setattr(Category.objects, "values_list", fails)
        assert not web.unknown({"nows"})
        now += 2.0
        assert not web.unknown({"nows"})
    assert len(reads) == 1  # it is not asked again at once
    now += 4.0
    assert web.unknown({"nows"}) == {"nows"}
