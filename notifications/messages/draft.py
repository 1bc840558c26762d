"""Requests as they come in: bytes are parsed here, with strict types and nothing trimmed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from notifications.messages.explain import Errors, Invalid, explain, explain_batch
from notifications.messages.fields import Addressed, IdempotencyKey
from notifications.messages.rules import NUL, by_field, draft_problems, is_right

MAX_BATCH = 5_000

# What the hash of a body covers, whatever was given: the fields of 1.0 in the order in which it encoded them.
_HASHED = (
    *("message", "type", "receiver", "user", "subject", "html"),
    *("category", "priority", "expires_at", "reference"),
)
_hashed = attrgetter(*_HASHED)


class Draft(Addressed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A notification to send: to a `receiver` on a channel (`type`), or to a `user`, on one of their devices."""

    def body_hash(self) -> str:
        """Returns a hash that is equal for requests that say the same, however their JSON is spaced or ordered.

        Idempotency keys keep it. So a field that is newer than 1.0 counts only where it was given: else no request
        that was accepted before could be repeated after an upgrade.
        """
        values = dict(zip(_HASHED, _hashed(self), strict=True))
        for name in ("type", "receiver", "user"):
            if values[name] is UNSET:
                del values[name]
        for name, default in _NEWER:
            if (value := getattr(self, name)) != default:
                values[name] = value
        return sha256(_encode(values)).hexdigest()


class BatchDraft(Draft, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A notification of a batch, which may carry its own idempotency key."""

    idempotency_key: IdempotencyKey | UnsetType = UNSET


T = TypeVar("T")


class Batch(msgspec.Struct, Generic[T], forbid_unknown_fields=True):
    """All of these are accepted, or none."""

    notifications: Annotated[list[T], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_BATCH})]


_NEWER = [(field.name, field.default) for field in msgspec.structs.fields(Draft) if field.name not in _HASHED]
_encode = msgspec.json.Encoder().encode
_decode_draft = msgspec.json.Decoder(Draft).decode
_decode_item = msgspec.json.Decoder(BatchDraft).decode
_decode_batch = msgspec.json.Decoder(Batch[BatchDraft]).decode
_decode_items = msgspec.json.Decoder(Batch[msgspec.Raw]).decode

NOT_DECODED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

D = TypeVar("D", bound=Draft)


def read_request(body: bytes) -> Draft:
    """Returns the draft in the body of POST /notification. Raises Invalid."""
    draft, errors = _read_draft(body, _decode_draft, Draft)
    if draft is None or errors:
        raise Invalid(errors)
    return draft


def read_batch(body: bytes) -> list[BatchDraft]:
    """Returns the drafts in the body of POST /notifications. Raises Invalid, by the position of the item.

    One call decodes all of them. It stops at the first wrong type, so then they are read again one by one.
    """
    try:
        drafts = _decode_batch(body).notifications
    except NOT_DECODED:
        return read_one_by_one(body)
    _check_count(len(drafts))
    has_nul = NUL in body
    looked_at = ((position, draft) for position, draft in enumerate(drafts) if has_nul or not is_right(draft))
    if errors := {str(position): found for position, draft in looked_at if (found := by_field(draft_problems(draft)))}:
        raise Invalid({"notifications": errors})
    return drafts


def read_one_by_one(body: bytes) -> list[BatchDraft]:
    """Does the same, item by item: what is wrong with the types of each is explained."""
    try:
        items = _decode_items(body).notifications
    except NOT_DECODED as error:
        raise Invalid(explain_batch(body, error)) from None
    _check_count(len(items))
    drafts, errors = [], {}
    for position, item in enumerate(items):
        draft, found = _read_draft(item, _decode_item, BatchDraft)
        if draft is None or found:
            errors[str(position)] = found
        else:
            drafts.append(draft)
    if errors:
        raise Invalid({"notifications": errors})
    return drafts


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise Invalid({"notifications": [f"Must hold 1 to {MAX_BATCH:,} items; it holds {count:,}."]})


def _read_draft(body: Any, decode: Callable[[Any], D], kind: type[D]) -> tuple[D | None, Errors]:
    """Returns the draft where its types are right, and what is wrong with it, by field."""
    try:
        draft = decode(body)
    except NOT_DECODED as error:
        refused, errors = explain(body, error, kind)
        return None, by_field(draft_problems(refused), errors) if refused else errors
    if NUL not in bytes(body) and is_right(draft):
        return draft, {}
    return draft, by_field(draft_problems(draft))
