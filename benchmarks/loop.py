"""The raw loop: threads that make the same provider calls and do nothing else.

`python -m benchmarks.with_django loop SMS 8000 --threads 64 --client channel` calls the `send` of the channel's
provider; `--client urllib3` posts the same requests through urllib3's pool, as one would write it by hand.
"""

from __future__ import annotations

import argparse
import threading
from collections import deque
from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

import msgspec
import urllib3
from django.conf import settings

from benchmarks.traffic import receiver_of, text_of
from notifications.channels import configured_providers


class Item(msgspec.Struct):
    """What a channel reads of a notification."""

    id: UUID
    receiver: str
    subject: str
    message: str
    html: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel")
    parser.add_argument("count", type=int)
    parser.add_argument("--url", default="")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--client", choices=["channel", "urllib3"], default="channel")
    given = parser.parse_args()
    items = deque(
        Item(UUID(int=number), receiver_of(given.channel, number, given.url), "", text_of(number))
        for number in range(given.count)
    )
    send = configured_providers(given.channel)[0].send if given.client == "channel" else by_urllib3(given)
    run(items, send, given.threads)


def run(items: deque[Item], send: Callable[[Item], object], threads: int) -> None:
    def work() -> None:
        while True:
            try:
                item = items.popleft()
            except IndexError:
                return
            send(item)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def by_urllib3(given: argparse.Namespace) -> Callable[[Item], object]:
    pool = urllib3.connection_from_url(given.url, maxsize=given.threads)
    account = settings.TWILIO_ACCOUNT_SID
    login = urllib3.make_headers(basic_auth=f"{account}:{settings.TWILIO_AUTH_TOKEN}")
    form = {"Content-Type": "application/x-www-form-urlencoded"} | dict(login)

    def slack(item: Item) -> None:
        headers = {"Content-Type": "application/json;charset=utf-8"}
        body = msgspec.json.encode({"text": item.message})
        answer = pool.request("POST", item.receiver.removeprefix(given.url), body=body, headers=headers, retries=False)
        assert answer.data == b"ok"

    def sms(item: Item) -> None:
        fields = {"To": item.receiver, "Body": item.message, "From": settings.TWILIO_FROM}
        path = f"/2010-04-01/Accounts/{account}/Messages.json"
        body = urlencode(fields).encode()
        answer = pool.request("POST", path, body=body, headers=form, retries=False)
        assert answer.json()["sid"]

    return {"SLACK": slack, "SMS": sms}[given.channel]
