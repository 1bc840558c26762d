"""Takes back what a stopped run has not sent: its notifications stand again where they stood, their letters are open.

Only what waits with the reason `replay` was never published since the run took it. Whatever has gone further goes on,
and so does what died again and was then replayed by a person: it has no `was_status` any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from dlq.models import DeadLetter
from dlq.verbs import write_events
from notifications.ledger.sql import WITHIN
from notifications.messages.ids import span
from notifications.messages.words import LetterEvent, Reason, Status
from project.database.dialects import Dialect, Statement, as_json
from project.desk.audit import expect
from project.logs import events

State = DeadLetter.State
NOT_PUBLISHED = Q(notification__status=Status.WAITING, notification__reason=Reason.REPLAY)


def take_back(run: int, new_expiry: datetime | None, most: int) -> int:
    """Opens up to `most` letters of the run again. Returns how many. Rows that a scheduler is publishing are skipped.

    It gives the generation back, for no record of it was ever published, and so a late success of the one before
    counts again; and the attempts and the expiry that the letter kept.
    """
    mine = DeadLetter.objects.filter(NOT_PUBLISHED, run=run, state=State.REPLAYING, was_status__isnull=False)
    locked = mine.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    letters = list(locked.only("id", "notification__id", "notification__trace_id").order_by("id")[:most])
    if not letters:
        return 0
    ids = [letter.notification_id for letter in letters if letter.notification_id]
    renewed = new_expiry.astimezone(UTC) if new_expiry else None
    rows = [{"letter": letter.pk, "id": letter.notification_id, "renewed": renewed} for letter in letters]
    changed = stand_as_before(rows=as_json(rows), **span(ids))
    expect(len(letters), len(changed))
    taken: Any = DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters], state=State.REPLAYING)
    write_events(LetterEvent.DEAD, letters)
    expect(len(letters), taken.update(state=State.OPEN, run=None, changed_at=Now()))
    transaction.on_commit(partial(_log, letters, run))
    return len(letters)


def _log(letters: Sequence[DeadLetter], run: int) -> None:
    now = events.now()
    rows = [letter.notification for letter in letters if letter.notification]
    events.write([events.TakenBack(now, row.pk, row.trace_id, run) for row in rows])


@Statement
def stand_as_before(d: Dialect) -> str:
    return f"""
        UPDATE notifications_notification AS n SET
            status = l.was_status, listed = l.was_status, reason = '', due_at = NULL, settled_at = l.died_at,
            generation = n.generation - 1, attempts = l.attempts,
            expires_at = CASE WHEN n.expires_at = r.renewed THEN l.expires_at ELSE n.expires_at END
        FROM {d.rows({"letter": "bigint", "id": "uuid", "renewed": "timestamptz"})}
        JOIN dlq_deadletter AS l ON l.id = r.letter
        WHERE n.id = r.id AND {WITHIN}
            AND n.status = '{Status.WAITING}' AND n.reason = '{Reason.REPLAY}' AND n.owner IS NULL
        {d.returning("id")}"""
