"""What the backends of a database wait for, sampled from pg_stat_activity while something else is measured."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from typing import Self

import psycopg2

EVERY = 0.01  # seconds
# Between two statements a backend waits for its client: inside a transaction, or else idle.
LOOK = """
SELECT CASE WHEN state = 'idle' THEN 'idle' WHEN state LIKE 'idle in transaction%%' THEN 'its client, in a transaction'
       WHEN wait_event IS NULL THEN 'nothing: it runs' ELSE wait_event_type || ':' || wait_event END
FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class WaitEvents:
    """Samples until the end of its `with`, on a superuser's connection to another database."""

    def __init__(self, port: int, database: str) -> None:
        self._port = port
        self._database = database
        self._seen: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def shares(self) -> dict[str, float]:
        """Returns how the time of all backends was spent, idle time apart, the largest share first."""
        busy = {event: times for event, times in self._seen.most_common() if event != "idle"}
        return {event: times / sum(busy.values()) for event, times in busy.items()}

    def _sample(self) -> None:
        address = {"host": "127.0.0.1", "port": self._port, "user": "postgres", "dbname": "postgres"}
        with closing(psycopg2.connect(**address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while not self._stop.wait(EVERY):
                    cursor.execute(LOOK, [self._database])
                    self._seen.update(event for (event,) in cursor.fetchall())
