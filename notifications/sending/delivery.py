"""One channel in a sender: its consumers, its pool, its route. No channel waits for another's provider."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial

from prometheus_client import Histogram

from notifications.brokers.base import Broker, Consumer, LogLost
from notifications.ledger import verdicts
from notifications.ledger.hooks import Hooks
from notifications.ledger.pauses.in_force import Pauses
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement
from notifications.messages.topics import topic_of
from notifications.messages.words import PRIORITIES, Reason
from notifications.sending import gates
from notifications.sending.answers import Answer, ahand_over, hand_over
from notifications.sending.appetite import Appetite
from notifications.sending.by_hand import ByHand
from notifications.sending.claiming import Claiming, Stopped
from notifications.sending.deciding import Deciding
from notifications.sending.gates import Gate, Gates, Later
from notifications.sending.loop import Loop
from notifications.sending.parking import Parking
from notifications.sending.policies import Policies
from notifications.sending.pool import Pool
from notifications.sending.route import Choice, Route
from notifications.sending.settler import Settler
from notifications.sending.threads import Threads
from notifications.sending.unsubscribing import with_link
from project import metrics
from users.recipients.known import Known

logger = logging.getLogger(__name__)

POLL = 0.5  # seconds
STUCK = 60.0  # seconds without a poll, or a turn of the loop, after which a restart may help
THREADS, ON_LOOP = 64, 256  # sends at once, by default: a thread costs memory and turns, a place on the loop neither


class Delivery:
    """Polls, claims, lets the gates look, commits the offset, sends, and has the result settled: in this order.

    At most `at_once` rows are being sent: None is what suits the providers, 64 threads or 256 sends on a loop.
    `on_fatal` is called with a sentence when it cannot go on. `gates_of` gives the gates in their order.
    """

    def __init__(
        self,
        route: Route,
        *,
        broker: Broker,
        hooks: Hooks,
        policies: Policies,
        settler: Settler,
        at_once: int | None,
        on_fatal: Callable[[str], None],
        pauses: Pauses,
        known: Known,
        gates_of: Callable[[Gate, Gate, Parking], Sequence[Gate]] = gates.in_order,
    ) -> None:
        self.route = route
        self.name = route.channel
        self._broker = broker
        self._policies = policies
        self._settler = settler
        self._custody = settler.custody
        self._on_fatal = on_fatal
        self._stopping = threading.Event()
        self._pool = self._open_pool(at_once)
        self._parking = Parking(self._pool.lane_length)
        self._order = threading.Lock()  # nothing is added of a receiver while its rows are taken out
        self._by_hand = ByHand(self.name, route.names, pauses)
        self._appetite = Appetite(self.name, route, self._pool, self._custody, self._stopping, by_hand=self._by_hand)
        self._deciding = Deciding(self.name, known)
        self._with_link = with_link(self.name, known)
        passage = Gates(self.name, gates_of(self._by_hand, self._deciding, self._parking), hooks)
        self._claiming = Claiming(self.name, passage, hooks=hooks, custody=self._custody, stopping=self._stopping)
        self._send_seconds = {name: metrics.send_seconds.labels(self.name, name) for name in route.names}
        self._accept_to_provider: dict[str, Histogram] = {
            priority: metrics.accept_to_provider.labels(self.name, priority) for priority in PRIORITIES
        }
        self._stood_still = False  # the loop of the sends, at the last look
        self._polled_at: dict[str, float] = {}  # monotonic, by priority
        self._consumers: dict[str, Consumer] = {}  # by priority, once they are made
        self._threads = [self._thread(priority) for priority in PRIORITIES]

    def _thread(self, priority: str) -> threading.Thread:
        name = f"{self.name}-{priority}"
        return threading.Thread(target=self._consume, args=(priority,), name=name, daemon=True)

    def _open_pool(self, at_once: int | None) -> Pool:
        """Returns threads where a provider needs them, and a loop where none does."""
        route = self.route
        if route.needs_threads:
            return Threads(at_once or THREADS, self._send, name=self.name, on_exit=route.close)
        on_loop = self._send_on_loop
        return Loop(at_once or ON_LOOP, on_loop, name=self.name, on_exit=route.aclose, on_death=self._on_fatal)

    def start(self) -> None:
        self._polled_at = dict.fromkeys(PRIORITIES, time.monotonic())
        metrics.start_providers_at_zero(self.name, self.route.names)
        metrics.in_flight.labels(self.name).set_function(self._pool.in_flight)
        metrics.ready.labels(self.name).set_function(lambda: sum(map(self._pool.waiting, PRIORITIES)))
        self._pool.start()
        for priority in PRIORITIES:
            metrics.last_poll.labels(topic_of(self.name, priority)).set_function(partial(self._since_poll, priority))
        for thread in self._threads:
            thread.start()

    def stop(self, deadline: float) -> None:
        """Reads and takes nothing more, puts back what is not being sent, waits for the sends under way.

        `deadline` is monotonic.
        """
        self._stopping.set()
        self._hand_back(self._pool.stop())
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._pool.join(deadline)

    @property
    def failing_since(self) -> float | None:
        """The monotonic time since which the database has not taken a claim, or None."""
        return self._claiming.failing_since

    def look_after(self) -> None:
        """Puts back what is paused, and what somebody waits for who has changed their mind. May end the sender.

        It ends where the loop of the sends has stood still at two looks: such a loop would keep its rows for ever. One
        look is not enough, for in a process that was stopped the loop has stood still until it has turned once.
        """
        self._put_back_what_is_paused()
        self._put_back_who_changed()
        stands_still = self._pool.is_stuck(STUCK)
        if stands_still and self._stood_still:
            self._on_fatal(f"A send of {self.name} keeps all others from going on.")
        self._stood_still = stands_still

    def is_stuck(self) -> bool:
        """Returns whether a consumer's loop has stood still for a minute, and not because the database is away."""
        return self.failing_since is None and any(self._since_poll(priority) > STUCK for priority in PRIORITIES)

    def unassigned(self) -> list[str]:
        """Returns the topics of which it has not been given its share of the partitions."""
        consumers = {priority: self._consumers.get(priority) for priority in PRIORITIES}
        return [topic_of(self.name, p) for p, consumer in consumers.items() if not (consumer and consumer.is_assigned)]

    def _since_poll(self, priority: str) -> float:
        """Seconds; a loop that waits for the database does not poll for records."""
        return time.monotonic() - self._polled_at[priority]

    def _consume(self, priority: str) -> None:
        try:
            with closing(self._broker.consumer(self.name, priority)) as consumer:
                self._consumers[priority] = consumer
                while not self._stopping.is_set():
                    self._round(consumer, priority)
        except Stopped:
            pass
        except LogLost as lost:
            self._on_fatal(f"Records were lost before they were read: {lost}.")
        except ConnectionError as error:
            self._on_fatal(f"The consumer of {self.name} {priority} {error}")
        except Exception:
            logger.exception("the consumer of %s %s failed", self.name, priority)
            self._on_fatal(f"The consumer of {self.name} {priority} failed.")

    def _round(self, consumer: Consumer, priority: str) -> None:
        wanted = self._appetite.wanted(priority)
        records = consumer.poll(wanted, POLL if wanted else 0, ahead=self._appetite.is_slow(priority))
        self._polled_at[priority] = time.monotonic()
        if records:
            began = time.monotonic()
            go = self._claiming.claim(records, keep_alive=lambda: consumer.poll(0, 0))
            consumer.commit(records)
            self._queue(go, began)
        elif not wanted:
            self._appetite.wait(priority)

    def _queue(self, rows: list[Claimed], gated_since: float) -> None:
        """Gives the pool what the gates have let go since the monotonic time `gated_since`."""
        with self._order:
            paused = self._by_hand.split_again(rows)
            changed = self._deciding.split_again(paused.go, gated_since)
            split = self._parking.split_again(changed.go, gated_since)
            left = self._pool.add(split.go)
        self._put_off([*paused.later, *changed.later, *split.later])
        self._hand_back(left)  # the pool stopped while these were claimed

    def _send(self, row: Claimed) -> None:
        """Looks at the row for the last time, hands it over, and tells everybody how that ended. Takes a thread."""
        hold = self._policies.holds(row.category)
        if (choice := self._choose(row)) is None:
            return
        noted = not hold or self._settler.note_hand_over(row)
        if self._may_go(row, choice, noted=noted):
            self._conclude(row, choice, hand_over(self._with_link(row), choice.provider, hold=hold))

    async def _send_on_loop(self, row: Claimed) -> None:
        """Does the same without a thread of its own."""
        hold = self._policies.holds(row.category)
        if (choice := self._choose(row)) is None:
            return
        noted = not hold or await self._settler.anote_hand_over(row)
        if self._may_go(row, choice, noted=noted):
            self._conclude(row, choice, await ahand_over(self._with_link(row), choice.on_loop, hold=hold))

    def _choose(self, row: Claimed) -> Choice | None:
        """Returns the way to a provider, or None where none takes it now or the row has expired meanwhile.

        The gates have a database connection but cannot know how long a row will wait for its send, which may be
        minutes behind a slow provider, and an old code is worse than none. So the expiry is looked at twice.
        """
        choice = self.route.choose()
        if choice is None:
            self._meet_outage(row)
        elif self._custody.has_expired(row):
            choice.withdraw()
            self._settler.settle(Settlement(row, verdicts.expired(), self.name))
            return None
        return choice

    def _may_go(self, row: Claimed, choice: Choice, *, noted: bool) -> bool:
        """Looks at the lease, and at whether the note that `hold` needs was made. Puts the row back otherwise."""
        if not noted or not self._custody.may_hand_over(row):
            choice.withdraw()
            self._hand_back_with_others(row)
            return False
        if row.claims == 1 or _is_first(row):
            self._accept_to_provider[row.priority].observe(max(0.0, time.time() - row.accepted_at))
        return True

    def _conclude(self, row: Claimed, choice: Choice, answer: Answer) -> None:
        """Tells the breaker, the ledger, the receiver's other rows and the metrics how a send ended."""
        choice.note(row.receiver_hash, answer.blames, answer.provider_rests)
        milliseconds = int(answer.seconds * 1000)
        waits_from = answer.ended if answer.receiver_rests else None
        self._settler.settle(Settlement(row, answer.verdict, self.name, choice.name, milliseconds, waits_from))
        if answer.receiver_rests:
            self._throttle_receiver(row, answer.ended + answer.receiver_rests)
        elif row.reason or self._pool.lane_length(row.priority, row.receiver_hash) > 1:
            self._parking.observe(row.receiver_hash, answer.seconds)
        self._appetite.pace.add()
        self._send_seconds[choice.name].observe(answer.seconds)

    def _meet_outage(self, row: Claimed) -> None:
        """No provider takes it now, so this row waits, unsent, and what is new of its receiver behind it."""
        reason, due_in = Reason.OUTAGE, verdicts.OUTAGE_PAUSE
        if (paused := self._by_hand.left_of_channel()) is not None:
            reason, due_in = Reason.STOPPED, paused
        elif rest := self.route.rest():
            reason, due_in = Reason.THROTTLED, rest
        self._parking.follow(row, due_in)
        self._put_off([Later(row, reason, due_in)])

    def _throttle_receiver(self, row: Claimed, until: float) -> None:
        """A wait belongs to whom the answer is about: all other rows of this receiver wait, too, unsent."""
        with self._order:
            later = self._parking.throttle(row, until, self._pool.withdraw(row.receiver_hash))
        self._put_off(later)

    def _put_back_what_is_paused(self) -> None:
        """Puts back what waits in memory and is paused. What is being sent ends."""
        if not self._by_hand.stops_something():
            return
        with self._order:
            split = self._by_hand.split_again(self._pool.take_out(self._by_hand.stops))
        self._put_off([*split.later, *(Later(row, Reason.STOPPED, 0.0) for row in split.go)])  # it has ended meanwhile

    def _put_back_who_changed(self) -> None:
        """Has decided anew what waits in memory for whoever wishes otherwise now."""
        if changed := self._deciding.changed_since_last_asked():
            with self._order:
                rows = self._pool.take_out(changed)
            self._hand_back(rows)

    def _hand_back_with_others(self, row: Claimed) -> None:
        """Puts the row back, and with it what waits in memory of its receiver. What is new goes behind them."""
        with self._order:
            rows = [row, *self._pool.withdraw(row.receiver_hash)]
            for each in rows:
                self._parking.follow(each, 0.0)
        self._hand_back(rows)

    def _hand_back(self, rows: Iterable[Claimed]) -> None:
        self._put_off([Later(row, Reason.HANDED_BACK, 0.0) for row in rows])

    def _put_off(self, rows: Sequence[Later]) -> None:
        now = time.monotonic()
        for row, reason, due_in in rows:
            verdict = verdicts.put_back(reason, due_in)
            self._settler.settle(Settlement(row, verdict, self.name, waits_from=now))


def _is_first(row: Claimed) -> bool:
    """Returns whether a row that was claimed before was never handed over, and waited for us and not for its receiver.

    So an outage shows in the time that its notifications took.
    """
    return not (row.attempts or row.generation) and row.reason in {Reason.OUTAGE, Reason.HANDED_BACK}
