"""Changes what a person chose, by one of the staff and for a reason."""

from __future__ import annotations

from collections.abc import Iterable

from notifications.messages.words import StaffVerb
from project.desk.audit import LONGEST_CHANGE, Change, one_at_a_time, write_actions
from users.recipients.preferences import Changes, Difference, Source, change_and_compare


def change_by_staff(username: str, changes: Changes, *, actor: str, reason: str) -> list[Difference]:
    """Changes what a person chose, as an event of theirs and as a staff action. Returns what is different now.

    Raises ValueError without a reason, and Invalid as `preferences.change`.
    """
    if not reason.strip():
        raise ValueError("staff change what somebody chose only for a reason")
    with one_at_a_time():
        about = {"actor": actor, "reason": reason}
        _, found = change_and_compare(username, changes, source=Source.STAFF, **about)
        if found:
            change = Change(_joined(each.before for each in found), _joined(each.after for each in found))
            what = _joined(each.what for each in found)
            target = (f"user {username}"[:100], None)
            write_actions(actor, StaffVerb.SET_CHOICES, [target], what, reason=reason, change=change)
    return found


def _joined(words: Iterable[str]) -> str:
    return "; ".join(filter(None, words))[:LONGEST_CHANGE]
