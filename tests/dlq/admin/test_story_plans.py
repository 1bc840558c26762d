"""The plans of a notification's page on PostgreSQL: every query finds its rows by an index that names them."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter, Problem
from project.database.dialects import fetch
from tests.desk import letter

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

# Each of these narrows a query to the rows of one notification, one problem, or one channel at one time.
WANTED = {"breaker_event_channel", "event_notification", "letter_problem"}
TABLES = re.compile(r'FROM "(?:dlq_deadletter|dlq_deadletterevent|notifications_(?:attempt|breakerevent|staffaction))"')


def test_no_query_of_the_page_reads_a_table(support: Client) -> None:
    now = timezone.now()
    problem = Problem.objects.create(
        channel="EMAIL", cause="bug", fingerprint="x", version=1, first_seen=now, last_seen=now
    )
    for _ in range(3):
        letter()
    DeadLetter.objects.update(problem=problem)
    dead = DeadLetter.objects.all()[1]
    for page, args in (("dlq_deadletter", dead.pk), ("notifications_notification", dead.notification_id)):
        with CaptureQueriesContext(connection) as captured:
            assert support.get(reverse(f"admin:{page}_change", args=[args])).status_code == 200
        fetch("SET LOCAL enable_seqscan = off")  # three rows are rightly read as a whole
        plans = [_plan(query["sql"]) for query in captured if TABLES.search(query["sql"])]
        assert len(plans) >= 6
        assert not [plan for plan in plans if "Seq Scan" in plan]
        found = "\n".join(plans)
        assert not [name for name in WANTED if name not in found], found


def _plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())
