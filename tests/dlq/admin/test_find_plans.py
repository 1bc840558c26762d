"""The plans of the box and of a person's page on PostgreSQL: no table that grows is read from its beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dlq.admin.finding.far_look import FarLook
from notifications.ledger.rows import TABLE
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Status
from project.database.dialects import fetch
from tests.desk import letter, notification
from tests.plans import Node, explained
from users.people.models import Device, User

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

Scanned = Callable[[], list[str]]
ROWS = 5_000
GROWING = ("notifications_notification", "dlq_deadletter", "users_user", "users_device", "notifications_idempotencykey")
BADGE = "SELECT COUNT(*)"  # of the sidebar, up to 1,000
NOW = "(extract(epoch FROM now()) * 1000)::bigint"
NEW_ID = f"(lpad(to_hex({NOW} - n * 1000), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid"


@pytest.fixture
def much(db: None) -> None:
    """Copies of one letter and its notification, and people with a device and a key each; all with statistics."""
    dead = letter(user="u", receiver="r@example.com", reference="r", status=Status.DEAD)
    _copies(TABLE, dead.notification_id, id=NEW_ID, user="'u' || n", reference="'r' || n", receiver_hash="md5(n::text)")
    fetch(
        "INSERT INTO dlq_deadletter (notification_id, state, channel, cause, error, attempts, topic, deaths, repeats,"
        ' discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, died_at, changed_at) SELECT id, 'open', channel, 'bug', '', 1, '', 1, 1, '', '', client,"
        " category, \"user\", receiver_hash, false, receiver_hash, '', now(), now()"
        f" FROM {TABLE} WHERE id <> '{dead.notification_id}'"
    )
    fetch(f"INSERT INTO users_user (username, name) SELECT 'u' || n, 'Anna B' || n FROM generate_series(1, {ROWS}) n")
    fetch(
        "INSERT INTO users_device (user_id, channel, address, position)"
        " SELECT id, 'EMAIL', username || '@example.com', 0 FROM users_user"
    )
    fetch(
        "INSERT INTO notifications_idempotencykey (client, key, notification_id, body_hash, created_at)"
        f" SELECT 'shop' || mod(n, 3), 'k' || n, gen_random_uuid(), '', now() FROM generate_series(1, {ROWS}) n"
    )
    fetch(f"ANALYZE {', '.join(GROWING)}")


def _copies(table: str, key: Any, **changed: str) -> None:
    wanted = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    columns = [row[0] for row in fetch(wanted, [table])]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
    source = f"SELECT {values} FROM {table}, generate_series(1, {ROWS}) n WHERE id = %s"
    fetch(f"INSERT INTO {table} ({names}) {source}", [key])


@pytest.fixture
def scanned(much: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scanned]:
    """The tables that statements read from their beginning. The look for ids that no index has is bounded by time."""
    monkeypatch.setattr("dlq.admin.finding.hits.look_back", lambda *_: FarLook())
    with explained(_reads) as nodes:
        yield lambda: [f"{node['Relation Name']}: {node.get('Filter', '')}" for node in nodes if _is_scan(node)]


def _reads(sql: str) -> bool:
    changes = sql.startswith(("INSERT", "UPDATE", "DELETE"))
    return any(table in sql for table in GROWING) and not changes and BADGE not in sql


def _is_scan(node: Node) -> bool:
    return bool(node["Node Type"] == "Seq Scan" and node["Plan Rows"] > 100)


@pytest.mark.parametrize(
    "term",
    [
        *("u77@example.com", "U77@Example.com", "+4915123456789", "u77", "anna b77", "b77", "r77", "k77", "#77"),
        *("01936d2a", "01936d2a-7c5e-7000-8000-0123456789ab", "@example.com", "nothing at all"),
    ],
)
def test_the_box_reads_no_table_from_its_beginning(anna: Client, scanned: Scanned, term: str) -> None:
    assert anna.post(reverse("admin:desk_find"), {"q": term}, follow=True).status_code == 200
    assert scanned() == []


@pytest.mark.parametrize("days", ["7", "30", "all"])
def test_a_persons_page_reads_no_table_from_its_beginning(anna: Client, scanned: Scanned, days: str) -> None:
    user = User.objects.get(username="u77")
    for number in range(5):
        Device.objects.create(user=user, channel="EMAIL", address=f"more{number}@example.com")
    notification(receiver="u77@example.com", receiver_hash=receiver_hash("EMAIL", "u77@example.com"))
    page = anna.get(f"{reverse('admin:desk_person')}?user=u77&days={days}").content.decode()
    assert "One case is open" in page
    assert scanned() == []
