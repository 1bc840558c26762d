"""A client's backlog at a slow provider must not make another client wait for the end of it."""

from __future__ import annotations

from collections import Counter, defaultdict

from harness.platform import Platform
from harness.platform.providers import Providers

MAILS, RECEIVERS = 3000, 1000


def test_one_mail_does_not_wait_for_another_clients_3000(connected: Platform, providers: Providers) -> None:
    connected.environment["SENDER_THREADS"] = "12"
    providers.smtp.answer(delay=0.05)
    connected.start_web()
    sender = connected.start_sender()
    shop = {"Authorization": f"Bearer {connected.create_api_key('send', client='shop')}"}
    items = [
        {"type": "EMAIL", "receiver": providers.receiver("EMAIL", number % RECEIVERS), "message": f"{number}"}
        for number in range(MAILS)
    ]
    assert connected.post({"notifications": items}, "/notifications").status == 202
    one = b'{"type": "EMAIL", "receiver": "ann@example.com", "message": "the shop\'s"}'
    headers = {"Content-Type": "application/json"} | shop
    assert connected.request("POST", "/notification", one, headers).status == 202

    connected.wait_for(sent=MAILS + 1)
    texts = [entry.text for entry in providers.smtp.accepted]
    assert texts.index("the shop's") < MAILS / 3
    assert Counter(texts) == Counter(["the shop's", *map(str, range(MAILS))])
    found: defaultdict[str, list[int]] = defaultdict(list)
    for entry in providers.smtp.accepted:
        if entry.text != "the shop's":
            found[entry.receiver].append(int(entry.text))
    assert all(numbers == sorted(numbers) for numbers in found.values()), "each receiver's are in order"
    connected.stop_all()
    assert sender.wait() == 0
    assert connected.manage("balance")
