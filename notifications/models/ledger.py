"""The ledger: notifications, their leases and attempts. What changes many rows at once is in ledger/."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import product
from typing import ClassVar, Self

from django.db import models
from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from notifications.channels import channel_choices, channel_names, masked
from notifications.channels.outcomes import Cause, Outcome
from notifications.messages.fields import LENGTHS
from notifications.messages.ids import first_id_at
from notifications.messages.words import (
    PRIORITIES,
    TAKEN,
    Is,
    Reason,
    Status,
    statuses,
)
from project.database.word_field import WordField, choices_of

REMOVED = "(removed)"  # shown for a receiver or text that retention has emptied
NO_TEXTS = {"message": "", "html": "", "subject": "", "receiver": ""}  # what it writes instead
# What is written over a row once its person was erased. What stays are the books: id, times, status, counts.
NOBODY = NO_TEXTS | dict.fromkeys(("receiver_hash", "user", "reference", "provider_message_id", "last_error"), "")


class NotificationQuerySet(models.QuerySet["Notification"]):
    def since(self, moment: datetime) -> Self:
        """Accepted at `moment` or later. Ids are UUIDv7, so the primary key answers it."""
        return self.filter(id__gte=first_id_at(moment))

    def until(self, moment: datetime) -> Self:
        """Accepted before `moment`."""
        return self.filter(id__lt=first_id_at(moment))

    def with_status(self, status: Status) -> Self:
        """With this status, by the index where it is a status that has one."""
        return self.filter(**{"listed" if Is.RARE in status.traits else "status": status})

    def outbox(self) -> Self:
        """Accepted while Kafka did not answer, and not yet published."""
        return self.with_status(Status.ACCEPTED)

    def count_unpublished(self) -> int:
        """The outbox, and what a scheduler has taken to publish it and Kafka has not acknowledged."""
        return self.filter(listed__in=(Status.ACCEPTED, TAKEN)).count()

    def queued_by_channel(self) -> dict[tuple[str, str], int]:
        """Returns how many rows nobody has claimed, for every channel and priority."""
        free = self.filter(listed=Status.QUEUED).order_by()
        found = free.values_list("channel", "priority").annotate(rows=Count("id"))
        every = dict.fromkeys(product(channel_names(), PRIORITIES), 0)
        return every | {(channel, priority): rows for channel, priority, rows in found}

    def oldest_queued(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        """Returns when the oldest row that nobody has claimed was accepted, of these channels and priorities.

        One that has no such row is left out. It takes a look at the index for each of them.
        """
        found: dict[tuple[str, str], datetime] = {}
        for channel, priority in places:
            free = self.filter(listed=Status.QUEUED, channel=channel, priority=priority).order_by("id")
            if first := free.values_list("accepted_at", flat=True).first():
                found[channel, priority] = first
        return found

    def waiting(self) -> dict[tuple[str, str], tuple[int, datetime]]:
        """Returns how many rows wait and when the oldest was accepted, by channel and reason."""
        rows = self.with_status(Status.WAITING).order_by().values_list("channel", "reason")
        found = rows.annotate(rows=Count("id"), oldest=Min("accepted_at"))
        return {(channel, reason): (count, oldest) for channel, reason, count, oldest in found}

    def overdue_seconds(self) -> float:
        """For how long the most overdue row has been due; 0.0 where none is."""
        oldest = self.filter(due_at__lt=Now()).order_by("due_at").values_list("due_at", Now()).first()
        return (oldest[1] - oldest[0]).total_seconds() if oldest else 0.0

    def may_be_tried_now(self) -> Self:
        """Waiting, but for nothing for which the next claim would put it off again.

        That is a time that its client chose, or a digest, in which it may be listed already.
        """
        return self.filter(status=Status.WAITING).exclude(reason__in=(Reason.SCHEDULED, Reason.DIGEST))

    def try_now(self) -> int:
        """Make waiting rows due now; how many that were. The scheduler does the rest."""
        return self.filter(status=Status.WAITING).update(due_at=Now())


class Notification(models.Model):
    """One row of the ledger: a notification and where it stands.

    `claims` is the fence: it grows with every claim and never shrinks. `attempts` counts the retries spent in
    this `generation`; a replay starts the next one. A lease (`owner`, `lease_until`) says who works on the row.
    """

    id = models.UUIDField(primary_key=True, editable=False)  # UUIDv7; its time is accepted_at
    client = models.CharField(max_length=LENGTHS["client"])
    reference = models.CharField(
        max_length=LENGTHS["reference"], default="", blank=True, help_text="The caller's own id."
    )
    channel = WordField(max_length=32, choices=channel_choices)
    receiver = models.CharField(max_length=LENGTHS["receiver"])
    receiver_hash = models.CharField(max_length=32)
    subject = models.CharField(max_length=LENGTHS["subject"], default="", blank=True)
    message = models.TextField()
    html = models.TextField(default="", blank=True)
    user = models.CharField(max_length=LENGTHS["user"], default="", blank=True)
    category = models.CharField(max_length=LENGTHS["category"], default="default")
    priority = models.CharField(max_length=16, default="transactional")
    status = WordField(max_length=16, choices=choices_of(Status))
    listed = models.CharField(max_length=16, null=True, blank=True, editable=False)  # see words.listed
    reason = WordField(max_length=16, choices=choices_of(Reason), default="", blank=True)
    generation = models.IntegerField(default=0)
    claims = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    uncertain_count = models.IntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    deferred_since = models.DateTimeField(null=True, blank=True)
    send_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=32, null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    handed_at = models.DateTimeField(null=True, blank=True)
    digest_id = models.BigIntegerField(null=True, blank=True, editable=False)  # that it was folded into, or is
    provider = models.CharField(max_length=64, default="", blank=True)
    provider_message_id = models.CharField(max_length=255, default="", blank=True)
    last_cause = WordField(max_length=32, choices=choices_of(Cause), default="", blank=True)
    last_error = models.CharField(max_length=1000, default="", blank=True)
    topic = models.CharField(max_length=249, default="", blank=True)
    partition = models.IntegerField(null=True, blank=True)
    offset = models.BigIntegerField(null=True, blank=True)
    trace_id = models.CharField(max_length=32, default="", blank=True)
    accepted_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        # Each index costs a write 2 to 3.5 µs, so all but one are partial. A claim and its success change no column of
        # any, so that settling makes no entries (docs/adr/0032): not `status`, whose word for them is `listed`, nor the
        # lease, for which there is Lease.
        indexes: ClassVar = [
            models.Index(fields=["receiver_hash", "id"], name="ledger_receiver"),
            models.Index(fields=["user", "id"], name="ledger_user", condition=~Q(user="")),
            models.Index(fields=["reference", "id"], name="ledger_reference", condition=~Q(reference="")),
            models.Index(fields=["due_at"], name="ledger_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["deferred_since"], name="ledger_deferred", condition=Q(deferred_since__isnull=False)),
            models.Index(fields=["listed", "id"], name="ledger_listed", condition=Q(listed__isnull=False)),
            # For people who look for a cause or a reason: a row that is simply sent is in neither.
            models.Index(
                fields=["last_cause", "id"], name="ledger_cause", condition=Q(listed__in=[*map(str, statuses(Is.RARE))])
            ),
            models.Index(fields=["reason", "id"], name="ledger_reason", condition=Q(listed=Status.WAITING.value)),
            models.Index(
                fields=["channel", "priority", "id"], name="ledger_free", condition=Q(listed=Status.QUEUED.value)
            ),
            models.Index(
                fields=["receiver_hash", "id"],
                name="ledger_stopped",
                condition=Q(reason=Reason.STOPPED.value, listed__isnull=False),
            ),
            models.Index(fields=["digest_id"], name="ledger_digest", condition=Q(digest_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def texts_removed(self) -> bool:
        """Says whether retention has emptied message, html, subject and receiver; no receiver is empty otherwise."""
        return not self.receiver and self.settled_at is not None

    @property
    def masked_receiver(self) -> str:
        return REMOVED if self.texts_removed else masked(self.channel, self.receiver)


class Lease(models.Model):
    """The rows that one claim leased, until the sweep finds none of them being sent (ledger/leases.py)."""

    owner = models.CharField(max_length=32)
    look_at = models.DateTimeField(db_index=True)
    first = models.UUIDField()
    last = models.UUIDField()
    ids = models.BinaryField()  # all of them, sixteen bytes each

    def __str__(self) -> str:
        return f"lease of {self.owner}"


class Attempt(models.Model):
    """An attempt that did not simply send. `number` is the notification's `claims` at that time."""

    # No constraint in the database: an attempt is written in the transaction that updated its notification.
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="attempt_rows", db_constraint=False
    )
    generation = models.IntegerField()
    number = models.IntegerField()
    at = models.DateTimeField()
    outcome = WordField(max_length=16, choices=choices_of(Outcome))
    cause = WordField(max_length=32, choices=choices_of(Cause))
    error = models.CharField(max_length=1000, default="", blank=True)  # the provider's answer, cleaned and cut
    milliseconds = models.IntegerField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notification", "number"], name="attempt_once_for_each_claim")
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.notification_id}"


class PrunedDay(models.Model):
    """What retention has taken of the notifications accepted on one day (UTC): the balance counts them."""

    day = models.DateField(primary_key=True)
    rows = models.JSONField(default=dict)  # how many rows were removed, by status
    texts_removed = models.BooleanField(default=False)  # of every row of the day that had ended without a letter

    class Meta:
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return f"pruned of {self.day}"
