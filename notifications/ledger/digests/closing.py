"""Closing digests whose time has come: their members are decided once more, and what is left goes out as one.

A digest is closed in two steps, each a transaction. After the first one nobody joins it any more, so that those who
would join it begin the next one and wait for nobody. The second one does all the rest or nothing: a scheduler that dies
in the middle leaves a digest that is still to be closed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from notifications.channels import channel_class
from notifications.ledger import sql_digests
from notifications.ledger.culprits import around_culprits
from notifications.ledger.digests import texts
from notifications.ledger.digests.joining import Key
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.insert import insert
from notifications.ledger.rows import final_row
from notifications.messages.ids import new_ids, span, time_of
from notifications.messages.message import Message
from notifications.messages.words import PRIORITIES, DigestState, Is, Reason, Status, SuppressedFor, statuses
from project.database.dialects import as_json, as_uuid, from_time, repeated
from users.recipients.category_rules import CategoryRules, read_rules
from users.recipients.decide import Action, Asked, decide
from users.recipients.facts import Facts, Receiver, facts_of
from users.recipients.person import Person

logger = logging.getLogger(__name__)

AT_ONCE = 100  # digests in a transaction
MEMBERS_AT_ONCE = 5000  # in a transaction, where it is more than one digest
SOON = 1.0  # seconds, after which a digest is looked at again of which somebody has a member
MUCH_LATER = 60.0  # seconds, for one that cannot be closed
FINAL = statuses(Is.FINAL)
FOLDED, ALONE, LEFT = "folded", "alone", "left"  # see the statement `move_members`


class _Digest(NamedTuple):
    id: int
    key: Key
    joined: int


class _Member(NamedTuple):
    """A row with the digest's id; what the statement `members` gives, in its order."""

    id: UUID
    digest_id: int
    status: str
    reason: str
    receiver: str
    receiver_hash: str
    priority: str
    trace_id: str
    expires_at: datetime | None

    @property
    def waits(self) -> bool:
        return self.status == Status.WAITING and self.reason == Reason.DIGEST


class Moved(msgspec.Struct):
    """Where a digest stands from now on."""

    id: int
    state: DigestState
    look_in: float = 0.0  # seconds
    notification_id: UUID | None = None


class _Ended(msgspec.Struct):
    """A member that is left out, because it is not to be sent any more."""

    id: UUID
    status: Status
    reason: SuppressedFor | str = ""


class _Content(NamedTuple):
    """What became of the members of a digest: those that go out, in the order accepted, and those that do not."""

    digest: _Digest
    folded: list[_Member]
    ended: list[_Ended]
    left: list[_Member]  # each is on a way of its own, or has ended


def close_due(hooks: Hooks) -> bool:
    """Closes digests whose time has come. Returns whether there may be more."""
    sql_digests.stop_joining(limit=AT_ONCE)
    return repeated(lambda: _close_some(hooks))


def _close_some(hooks: Hooks) -> bool:
    with transaction.atomic():
        found = [_Digest(id, Key(*key), joined) for id, *key, joined in sql_digests.closing(limit=AT_ONCE)]
        digests = _within_bounds(found)
        if not digests:
            return False
        moved, refused = around_culprits(digests, lambda part: _close(part, hooks))
        for digest, error in refused:
            logger.error("digest %d cannot be closed: %s", digest.id, type(error).__name__)
        move(moved + [Moved(digest.id, DigestState.CLOSING, MUCH_LATER) for digest, _ in refused])
        return len(digests) < len(found) or len(found) == AT_ONCE


def _within_bounds(digests: Sequence[_Digest]) -> list[_Digest]:
    """Returns the first of them, which together have not too many members."""
    taken: list[_Digest] = []
    members = 0
    for digest in digests:
        members += digest.joined
        if taken and members > MEMBERS_AT_ONCE:
            break
        taken.append(digest)
    return taken


def _close(digests: list[_Digest], hooks: Hooks) -> list[Moved]:
    """Ends, sends or folds the members of digests that are locked. Returns where these stand then."""
    members = _lock_members(digests)
    ready = [digest for digest in digests if digest.id in members and digest.key.channel in settings.CHANNELS]
    contents = _contents(ready, members)
    _move_members(contents)
    if ended := [each for content in contents for each in content.ended]:
        rows = sql_digests.end_members(rows=as_json(ended), **span(each.id for each in ended))
        tell_final([final_row(row) for row in rows], hooks)
    sent = _send([content for content in contents if len(content.folded) > 1])
    moved = [
        Moved(content.digest.id, DigestState.CLOSED, SOON, sent[content.digest.id])
        if content.digest.id in sent
        else Moved(content.digest.id, DigestState.ENDED)
        for content in contents
    ]
    put_off = [
        Moved(digest.id, DigestState.CLOSING, SOON if digest.id not in members else MUCH_LATER)
        for digest in digests
        if digest not in ready
    ]
    return moved + put_off


def move(moved: Sequence[Moved]) -> None:
    """Writes down where digests stand that the caller has locked."""
    if moved:
        sql_digests.move_digests(rows=as_json(moved))


def _lock_members(digests: Sequence[_Digest]) -> dict[int, list[_Member]]:
    """Returns the rows of each digest, locked. Those are left out of which somebody else has locked a row."""
    rows = as_json([{"id": digest.id} for digest in digests])
    members: dict[int, list[_Member]] = {digest.id: [] for digest in digests}
    for id, *others, expires_at in sql_digests.members(rows=rows):
        member = _Member(*(as_uuid(id), *others, from_time(expires_at)))
        members[member.digest_id].append(member)
    for digest_id, count in sql_digests.count_members(rows=rows):
        if count > len(members[digest_id]):
            del members[digest_id]
    return members


def _contents(digests: Sequence[_Digest], members: Mapping[int, list[_Member]]) -> list[_Content]:
    """Decides once more about the members that wait, as of today's preferences and rules."""
    receivers = {
        digest.id: Receiver(digest.key.username, digest.key.channel, member.receiver, member.receiver_hash)
        for digest in digests
        for member in members[digest.id]
        if member.waits
    }
    facts = facts_of(receivers.values()) if receivers else None
    rules = read_rules({digest.key.category for digest in digests})
    return [
        _content(digest, members[digest.id], rules[digest.key.category], facts, receivers.get(digest.id))
        for digest in digests
    ]


def _content(
    digest: _Digest, members: Sequence[_Member], rules: CategoryRules, facts: Facts | None, receiver: Receiver | None
) -> _Content:
    left = [member for member in members if not member.waits]
    if facts is None or receiver is None:
        return _Content(digest, [], [], left)
    folded, ended = list[_Member](), list[_Ended]()
    for member in members:
        if member.waits and (end := _end_of(member, rules, digest.key.channel, facts.people[receiver], facts.now)):
            ended.append(end)
        elif member.waits:
            folded.append(member)
    return _Content(digest, folded, ended, left)


def _end_of(member: _Member, rules: CategoryRules, channel: str, person: Person, now: datetime) -> _Ended | None:
    """Returns how a member ends that is not to be sent. What is to wait waits as a part of the digest."""
    asked = Asked(rules, channel, receiver=member.receiver, expires_at=member.expires_at, is_folded=True)
    decision = decide(asked, person, now)
    if decision.action is not Action.SUPPRESS:
        return None
    if decision.suppressed_for:
        return _Ended(member.id, Status.SUPPRESSED, decision.suppressed_for)
    return _Ended(member.id, Status.EXPIRED)


def _move_members(contents: Sequence[_Content]) -> None:
    fates: dict[UUID, str] = {}
    for content in contents:
        fates |= {member.id: LEFT for member in content.left if member.status not in FINAL}
        fates |= {member.id: FOLDED if len(content.folded) > 1 else ALONE for member in content.folded}
    if fates:
        rows = as_json([{"id": id, "fate": fate} for id, fate in fates.items()])
        sql_digests.move_members(rows=rows, **span(fates))


def _send(contents: Sequence[_Content]) -> dict[int, UUID]:
    """Puts a notification into the outbox for each of them. Returns their ids, by digest."""
    if not contents:
        return {}
    listed = [member.id for content in contents for member in content.folded[: texts.MOST_LISTED]]
    rows = as_json([{"id": id} for id in listed])
    found = sql_digests.beginnings(rows=rows, longest=4 * texts.LONGEST, **span(listed))
    parts = {as_uuid(id): (subject, message) for id, subject, message in found}
    messages = [_notification(content, parts) for content in contents]
    traces = [content.folded[0].trace_id for content in contents]
    insert(zip(messages, traces, strict=True), Status.ACCEPTED)
    ids = {content.digest.id: message.id for content, message in zip(contents, messages, strict=True)}
    notes = as_json([{"id": id, "digest_id": digest_id} for digest_id, id in ids.items()])
    sql_digests.note_digests(rows=notes, **span(ids.values()))
    return ids


def _notification(content: _Content, parts: Mapping[UUID, tuple[str, str]]) -> Message:
    """Returns what goes out for the members. It expires when the last of them does."""
    key, members = content.digest.key, content.folded
    channel, id = channel_class(key.channel), new_ids(1)[0]
    ends = [member.expires_at for member in members]
    count = len(members)
    listed = [parts[member.id] for member in members[: texts.MOST_LISTED]]
    return Message(
        id=id,
        channel=key.channel,
        receiver=members[-1].receiver,
        user=key.username,
        client=key.client,
        category=key.category,
        priority=next(priority for priority in PRIORITIES if any(each.priority == priority for each in members)),
        accepted_at=time_of(id),
        expires_at=None if None in ends else max(end for end in ends if end),
        subject=texts.subject_of(count, key.category) if channel.takes_subject else "",
        message=texts.message_of(listed, count, too_long=channel.too_long),
    )
