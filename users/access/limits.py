"""What an API key may use up in a time: requests in a minute, notifications and texts in a day.

The database counts, so a limit is for all web processes together; one statement for each request and limit of a key
that has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from django.db import transaction
from rest_framework.exceptions import APIException

from project.database.dialects import dialect, fetch
from users.access.models import ApiKey

MINUTE, DAY = 60, 86_400
MOST = 1_000_000_000  # of any limit, so that no sum goes over what the column can store


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` of a kind within `seconds`, which begin with the first one that is counted."""

    key_id: int
    kind: str
    most: int
    seconds: int

    def spend(self, count: int = 1) -> None:
        """Count as many. Raises OverLimit, and counts nothing, where that would be more than the limit."""
        if count and not (
            count <= self.most and fetch(_spend(self.seconds), [self.key_id, self.kind, count, self.most])
        ):
            raise OverLimit.of(self, count, self._seconds_left())

    def _seconds_left(self) -> int:
        """Until a new minute or day begins; the whole one where none has begun."""
        left = dialect().seconds_until("since")
        rows = fetch(f"SELECT {left} FROM users_keyusage WHERE key_id = %s AND kind = %s", [self.key_id, self.kind])
        return max(1, math.ceil(self.seconds + rows[0][0])) if rows else self.seconds


class OverLimit(APIException):
    """The request would go over a limit of its API key, so nothing of it was accepted."""

    status_code = 429
    default_code = "over_limit"

    def __init__(self, why: str, wait: int, headers: dict[str, str]) -> None:
        super().__init__(why)
        self.wait = wait
        self.headers = headers

    @classmethod
    def of(cls, limit: Limit, count: int, wait: int) -> Self:
        each = {MINUTE: "a minute", DAY: "a day"}[limit.seconds]
        more = f"; this request has {count:,}" if count > 1 else ""
        # The fields of draft-ietf-httpapi-ratelimit-headers-10: quota and window, what remains and for how long.
        headers = {
            "RateLimit-Policy": f'"{limit.kind}";q={limit.most};w={limit.seconds}',
            "RateLimit": f'"{limit.kind}";r=0;t={wait}',
        }
        return cls(
            f"The API key may have {limit.most:,} {limit.kind} {each}{more}. Nothing was accepted.", wait, headers
        )


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a key may have accepted in a day."""

    notifications: Limit | None = None
    texts: Limit | None = None

    def concern(self, texts: int) -> bool:
        """Returns whether there is something to count for notifications of which so many are texts."""
        return self.notifications is not None or (self.texts is not None and texts > 0)

    def spend(self, notifications: int, texts: int) -> None:
        """Counts as many of each kind. Raises OverLimit, and counts nothing, where one is over its limit."""
        if not self.concern(texts):
            return
        with transaction.atomic():
            if self.notifications:
                self.notifications.spend(notifications)
            if self.texts:
                self.texts.spend(texts)


def requests_of(key: ApiKey) -> Limit | None:
    return None if key.per_minute is None else Limit(key.pk, "requests", key.per_minute, MINUTE)


def ceilings_of(key: ApiKey) -> Ceilings | None:
    most = {"notifications": key.notifications_a_day, "texts": key.texts_a_day}
    limits = {kind: Limit(key.pk, kind, count, DAY) for kind, count in most.items() if count is not None}
    return Ceilings(**limits) if limits else None


def _spend(seconds: int) -> str:
    """The statement that counts, and returns no row where it would be too many. Parameters: key, kind, count, most."""
    over = f"u.since <= {dialect().later(str(-seconds))}"  # its minute or day
    return f"""
        INSERT INTO users_keyusage AS u (key_id, kind, used, since) VALUES (%s, %s, %s, {dialect().now})
        ON CONFLICT (key_id, kind) DO UPDATE SET
            used = CASE WHEN {over} THEN 0 ELSE u.used END + excluded.used,
            since = CASE WHEN {over} THEN excluded.since ELSE u.since END
        WHERE {over} OR u.used + excluded.used <= %s
        RETURNING used"""
