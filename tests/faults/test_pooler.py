"""PgBouncer in transaction mode: each transaction may meet another session, and nothing of one is relied on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.services import pgbouncer
from harness.services.pgbouncer import PgBouncer
from harness.services.shared import SharedKafka, SharedPostgres, skip_without
from tests.faults.conftest import Opener
from tests.faults.site import Site

PAGES = ("users/user/", "users/user/add/", "auth/group/", "auth/group/add/", "notifications/notification/")
LOG_IN = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import get_user_model, BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
staff = get_user_model().objects.create_superuser("staff", password="a password for tests")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(staff.pk), staff.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
session.save()
print(session.session_key)
"""


@pytest.fixture
def pooled(open_with: Opener, postgres: SharedPostgres, kafka: SharedKafka) -> Iterator[Site]:
    skip_without(pgbouncer.missing_program())
    with PgBouncer(postgres.port) as bouncer:
        yield open_with(postgres_port=postgres.port, kafka_servers=kafka.servers, database_port=bouncer.port)


def test_everything_works_behind_a_pooler_in_transaction_mode(pooled: Site) -> None:
    pooled.platform.start_web()
    pooled.platform.start_sender()
    pooled.platform.start_scheduler()
    pooled.send(200)
    key = pooled.platform.manage("shell", "-v0", "-c", LOG_IN).split()[-1]

    def status(page: str) -> tuple[str, int]:
        return page, pooled.platform.request("GET", f"/admin/{page}", headers={"Cookie": f"sessionid={key}"}).status

    with ThreadPoolExecutor(8) as callers:
        answers = Counter(callers.map(status, PAGES * 12))
    assert answers == {(page, 200): 12 for page in PAGES}
    (item,) = pooled.items(1)
    assert pooled.platform.post(item, key="a key").status == 202
    assert pooled.platform.get("/health/ready").status == 200
    pooled.wait_until_settled()
    assert pooled.platform.statuses() == {"sent": 201}
    pooled.platform.manage("balance")
