"""clients/python against the real server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from harness.platform import Platform, wait_until
from harness.services.process import free_ports
from harness.services.proxy import Proxy
from notifications_client import (
    Accepted,
    AsyncClient,
    Cancelled,
    Cap,
    Choice,
    ChoiceChange,
    Client,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Notification,
    NotificationDetail,
    OverLimit,
    Problem,
    QuietHours,
    SuppressionEntry,
    TooLate,
    Unauthorized,
    Unavailable,
)
from project.run.local import WEB_OPTIONS

pytestmark = pytest.mark.xdist_group("clients")

HELLO = Notification(type="EMAIL", receiver="ann@example.com", message="Hello")
TO_BOB = Notification(type="EMAIL", receiver="bob@example.com", message="Hello Bob")


def with_reference(reference: str, count: int) -> list[Notification]:
    return [
        Notification(type="EMAIL", receiver=f"user{number}@example.com", message="Hello", reference=reference)
        for number in range(count)
    ]


def test_what_is_sent_can_be_read_and_is_listed(url: str, key: str) -> None:
    everything = Notification(
        type="EMAIL",
        receiver="ann@example.com",
        message="It is on its way.",
        subject="Your order",
        html="<p>It is on its way.</p>",
        category="orders",
        priority="bulk",
        send_at=datetime.now(UTC) + timedelta(days=30),
        expires_at=datetime(2099, 1, 31, 12, tzinfo=UTC),
        reference=str(uuid4()),
        idempotency_key=str(uuid4()),
    )
    with Client(url, key) as client:
        accepted = client.send(everything)
        assert client.send(everything) == accepted
        row = client.read(accepted.id)
        page = client.list_page(reference=str(everything.reference), since=datetime(2020, 1, 1, tzinfo=UTC))
    assert (row.id, row.status, row.attempts) == (accepted.id, "queued", ())
    for name in ("type", "receiver", "category", "priority", "send_at", "expires_at", "reference"):
        assert getattr(row, name) == getattr(everything, name)
    assert row.accepted_at.tzinfo is not None
    assert [each.id for each in page.results] == [accepted.id]


def test_what_is_cancelled_is_not_sent_and_what_has_ended_is_too_late(url: str, web: Platform, key: str) -> None:
    with Client(url, key) as client:
        accepted = client.send(TO_BOB)
        cancelled = [client.cancel(id) for id in (accepted.id, str(accepted.id))]
        assert cancelled == [Cancelled(accepted.id, "cancelled")] * 2
        assert client.read(accepted.id).status == "cancelled"
        sent = client.send(TO_BOB).id
        web.sql(f"UPDATE notifications_notification SET status = 'sending' WHERE id = '{sent.hex}'")
        with pytest.raises(TooLate, match="it is being sent") as late:
            client.cancel(sent)
        assert (late.value.status, late.value.code, late.value.notification_status) == (409, "too_late", "sending")
        with pytest.raises(NotFound):
            client.cancel("00000000-0000-4000-8000-000000000000")


def test_what_people_chose_is_read_changed_and_explained(url: str, key: str) -> None:
    name = f"ann?{uuid4()}"  # which has to be quoted
    ann = {"name": "Ann", "devices": [{"type": "EMAIL", "address": "ann.smith@example.com"}]}
    httpx.put(f"{url}/users/{quote(name, safe='')}", json=ann, headers={"Authorization": f"Bearer {key}"})
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    no_news = Choice(category="default", channel="EMAIL", choice="off")
    with Client(url, key) as client:
        nothing = client.read_preferences(name)
        assert (nothing.quiet, nothing.cap, nothing.all_off, nothing.choices) == (None, None, False, ())
        changed = client.change_preferences(
            name,
            quiet=QuietHours("22:00", "07:00"),
            cap=Cap(3, 3600),
            paused_until=until,
            choices=[ChoiceChange(category="default", channel="EMAIL", choice="off")],
        )
        assert (changed.quiet, changed.cap, changed.paused_until) == (QuietHours("22:00", "07:00"), Cap(3, 3600), until)
        assert changed.choices == (no_news,)
        assert client.read_preferences(name) == changed
        foretold = client.explain(user=name)
        assert (foretold.decision, foretold.rule, foretold.until) == ("wait", "paused", until)
        assert client.explain(user=name, at=until + timedelta(hours=1)).rule == "choice"
        taken = client.change_preferences(name, quiet=None, choices=[ChoiceChange(channel="EMAIL", choice=None)])
        assert (taken.quiet, taken.cap, taken.choices) == (None, Cap(3, 3600), (no_news,))
        assert httpx.get(client.link_preferences(name)).status_code == 200
        with pytest.raises(InvalidRequest, match="time_zone"):
            client.change_preferences(name, time_zone="Nowhere")
        with pytest.raises(NotFound):
            client.read_preferences("nobody")


def test_an_address_is_suppressed_and_a_send_says_so_until_it_is_lifted(url: str, key: str) -> None:
    carl = Notification(type="EMAIL", receiver=f"{uuid4()}@example.com", message="Hello Carl")
    named: SuppressionEntry = {"type": "EMAIL", "receiver": str(carl.receiver), "reason": "complained"}
    with Client(url, key) as client:
        assert client.send(carl).suppressed is None
        made = client.suppress(**named)
        assert (made.reason, made.category, made.until) == ("complained", None, None)
        assert client.suppress(**named) == made
        assert client.list_suppressions(type="EMAIL", receiver=str(carl.receiver)).results == (made,)
        wait_until(lambda: client.send(carl).suppressed == "complained", what="the web knows it")
        assert [result.suppressed for result in client.send_many([HELLO, carl])] == [None, "complained"]
        client.lift_suppression(**named)
        assert client.send(carl).suppressed is None
        with pytest.raises(NotFound):
            client.lift_suppression(**named)


def test_the_client_for_asyncio_has_the_same_calls(url: str, key: str) -> None:
    reference = str(uuid4())

    carl = f"{reference}@example.com"

    async def use() -> tuple[Accepted, NotificationDetail, list[str]]:
        async with AsyncClient(url, key) as client:
            accepted, results = await asyncio.gather(client.send(HELLO), client.send_many(with_reference(reference, 5)))
            assert all(result.id for result in results)
            with pytest.raises(NotFound):
                await client.read(uuid4())
            made = await client.suppress(type="EMAIL", receiver=carl, reason="by-staff")
            assert (await client.list_suppressions(type="EMAIL", receiver=carl)).results == (made,)
            assert (await client.explain(type="EMAIL", receiver=carl)).decision == "suppress"
            await client.lift_suppression(type="EMAIL", receiver=carl, reason="by-staff")
            for call in (client.read_preferences, client.change_preferences, client.link_preferences):
                with pytest.raises(NotFound):
                    await call("nobody")
            found = [row.receiver async for row in client.list_all(reference=reference, page_size=2)]
            return accepted, await client.read(accepted.id), found

    accepted, row, found = asyncio.run(use())
    assert row.id == accepted.id
    assert found == [f"user{number}@example.com" for number in reversed(range(5))]


def test_a_batch_says_of_each_item_what_became_of_it(url: str, key: str) -> None:
    used = Notification(type="SMS", receiver="+14155550100", message="first", idempotency_key=str(uuid4()))
    again = Notification(type="SMS", receiver="+14155550100", message="second", idempotency_key=used.idempotency_key)
    nobody = Notification(type="EMAIL", receiver="nobody", message="")
    with Client(url, key) as client:
        client.send(used)
        good, refused, conflict, also_good = client.send_many([HELLO, nobody, again, TO_BOB])
        assert client.read(str(good.id)).receiver == "ann@example.com"
        assert client.read(str(also_good.id)).receiver == "bob@example.com"
        assert client.send_many([good.notification])[0].id == good.id
    assert isinstance(refused.error, InvalidRequest)
    assert {problem.field for problem in refused.error.problems} == {"receiver", "message"}
    assert isinstance(conflict.error, Conflict)
    assert (refused.id, conflict.id, good.error) == (None, None, None)


def test_after_a_part_refused_as_a_whole_the_others_are_not_tried(url: str, key: str) -> None:
    reference = str(uuid4())
    with Client(url, "ntf_unknown_key") as client:
        results = client.send_many(with_reference(reference, 5_001))
    assert {type(result.error) for result in results} == {Unauthorized}
    assert len(results) == 5_001
    with Client(url, key) as client:
        assert list(client.list_all(reference=reference)) == []


def test_refusals_are_errors_of_their_own_with_field_and_reason(url: str, web: Platform, key: str) -> None:
    with Client(url, key) as client:
        with pytest.raises(InvalidRequest) as refused:
            client.send(Notification(message="Hello", type="EMAIL", receiver="ann@example.com", subject="x" * 256))
        assert refused.value.problems == (Problem("subject", refused.value.problems[0].reason),)
        with pytest.raises(InvalidRequest, match="idempotency_key: Must hold printable ASCII"):
            client.send(Notification(message="Hello", idempotency_key="line\nbreak"))
        with pytest.raises(InvalidRequest, match="page_size: Must be a whole number from 1 to 500"):
            client.list_page(page_size=501)
    only_read = web.manage("create_api_key", "limited", "--scope", "read", "--per-minute", "1").split()[-1]
    with Client(url, only_read, deadline=0.5) as client:
        with pytest.raises(Forbidden):
            client.send(HELLO)
        with pytest.raises(OverLimit, match="1 request"):
            client.list_page()


def test_without_a_server_the_error_has_the_key_to_repeat_it_with() -> None:
    with Client(f"http://127.0.0.1:{free_ports(1)[0]}", deadline=0.1) as client:
        with pytest.raises(Unavailable) as error:
            client.send(HELLO)
        (result,) = client.send_many([HELLO])
    assert error.value.idempotency_key
    assert isinstance(result.error, Unavailable)
    assert result.notification.idempotency_key


def test_a_server_killed_in_the_middle_of_a_batch_accepts_each_once(web: Platform, key: str) -> None:
    server = web.start_web(*WEB_OPTIONS)
    port = web.ports[-1]
    reference = str(uuid4())
    count = (
        "SELECT count(*) AS rows, count(DISTINCT receiver) AS receivers FROM notifications_notification "
        f"WHERE reference = '{reference}'"
    )
    with (
        Proxy(port) as network,
        Client(f"http://127.0.0.1:{network.port}", key, deadline=240) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        network.hold_answers()
        sending = thread.submit(client.send_many, with_reference(reference, 5_200))
        wait_until(lambda: web.sql(count)[0]["rows"] == 5_000, deadline=120, what="the first part is accepted")
        server.kill()
        network.drop()
        network.resume()
        web.start_web(*WEB_OPTIONS, port=port)
        results = sending.result()
    assert len({result.id for result in results} - {None}) == 5_200
    assert web.sql(count) == [{"rows": 5_200, "receivers": 5_200}]
