"""Fills the topics of a platform, as intake would have: `python -m benchmarks.with_django publish SMS 8000`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from benchmarks.traffic import kinds, receiver_of, text_of
from notifications.brokers.base import Outbound, open_broker, outbound
from notifications.messages.draft import Draft
from notifications.messages.message import Message, new_message
from notifications.messages.words import Origin

CHUNK = 2000
HOT = 999_999  # the number of the receiver that gets more than its share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel")
    parser.add_argument("count", type=int)
    parser.add_argument("--url", default="", help="of the provider, for webhooks")
    parser.add_argument("--receivers", type=int, default=0, help="so many take turns; default: each gets one")
    parser.add_argument("--priority", default="transactional")
    parser.add_argument("--slow", type=float, default=0.0, help="share that is answered after five seconds")
    parser.add_argument("--hot", type=float, default=0.0, help="share that goes to one receiver")
    parser.add_argument("--people", action="store_true", help="each receiver is the device of a person")
    parser.add_argument("--category", default="default")
    parser.add_argument("--hot-word", default="hang", help="how that receiver's provider answers, or leave-out")
    parser.add_argument("--send-in", type=float, default=0.0, help="seconds from now; 0: at once")
    parser.add_argument("--send-over", type=float, default=0.0, help="seconds over which they come due")
    given = parser.parse_args()
    broker = open_broker()
    records: list[Outbound] = []
    for message in messages(given):
        records.append(outbound(message, origin=Origin.INTAKE))
        if len(records) == CHUNK:
            assert all(broker.publish(records)), "Kafka did not acknowledge."
            records.clear()
    assert all(broker.publish(records)), "Kafka did not acknowledge."


def messages(given: argparse.Namespace) -> list[Message]:
    """All of them in order, mixed; a hot receiver's texts say `hot`, and how to answer."""
    found = []
    begin = datetime.now(UTC) + timedelta(seconds=given.send_in) if given.send_in else None
    for number, kind in enumerate(kinds(given.count, slow=given.slow, hot=given.hot)):
        is_hot = kind == "hot"
        if is_hot and given.hot_word == "leave-out":
            continue
        who = HOT if is_hot else number % (given.receivers or given.count)
        receiver = receiver_of(given.channel, who, given.url)
        text = text_of(number, f"hot {given.hot_word}" if is_hot else "timed" if begin else kind)
        user = f"user-{who}" if given.people else UNSET
        send_at = begin and begin + timedelta(seconds=given.send_over * number / given.count)
        draft = Draft(message=text, priority=given.priority, category=given.category, user=user, send_at=send_at)
        found.append(new_message(draft, client="main", channel=given.channel, receiver=receiver))
    return found
