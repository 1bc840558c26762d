"""Dead letters: what could not be delivered, until a person or a late success resolves it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause
from notifications.messages.fields import LENGTHS
from notifications.messages.words import LetterEvent
from notifications.models import Notification
from project.database.word_field import WordField, choices_of
from project.desk.rights import Right

# Columns of the notification that a letter has, too.
COPIED = ("provider", "client", "category", "user", "receiver_hash", "expires_at")


class Problem(models.Model):
    """What really failed: the dead letters of one channel, provider and cause whose answers read alike.

    The figures are counted every few seconds by a scheduler, so that no page counts letters.
    """

    class State(models.TextChoices):
        NEW = "new"
        KNOWN = "known"  # quiet until `quiet_until`, or until an hour has more than `quiet_below` deaths
        FIXED = "fixed"
        BACK = "back", "back again"
        IGNORED = "ignored"

    channel = WordField(max_length=32, choices=channel_choices, default="", blank=True)
    provider = models.CharField(max_length=64, default="", blank=True)
    cause = WordField(max_length=32, choices=choices_of(Cause))
    fingerprint = models.CharField(max_length=160)
    version = models.PositiveSmallIntegerField()  # of the rules that made the fingerprint
    example = models.CharField(max_length=1000, default="", blank=True)  # one answer as it came
    state = WordField(max_length=16, choices=State, default=State.NEW)
    growing = models.BooleanField(default=False)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    deaths = models.BigIntegerField(default=0)
    open_letters = models.IntegerField(default=0)
    receivers = models.IntegerField(default=0)  # of the open letters, as far as they are counted
    owner = models.CharField(max_length=150, default="", blank=True)
    note = models.CharField(max_length=1000, default="", blank=True)
    link = models.CharField(max_length=500, default="", blank=True)
    quiet_until = models.DateTimeField(null=True, blank=True)
    quiet_below = models.IntegerField(null=True, blank=True)  # deaths an hour
    changed_at = models.DateTimeField(default=timezone.now)  # by a person

    class Meta:
        ordering: ClassVar = ["-last_seen"]
        indexes: ClassVar = [models.Index(fields=["-last_seen"], name="problem_last_seen")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "provider", "cause", "fingerprint", "version"], name="problem_once"
            )
        ]

    def __str__(self) -> str:
        return f"problem {self.pk}"


class ProblemHour(models.Model):
    """How many letters a problem got in one hour."""

    problem = models.ForeignKey(Problem, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    deaths = models.IntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["hour"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["problem", "hour"], name="problem_hour_once")]

    def __str__(self) -> str:
        return f"{self.problem_id} at {self.hour}"


class Run(models.Model):
    """One replay of many letters: which were asked for, what it left out, how far it is. A job works on it.

    It is over once `ended_at` is set: then its figures stay, and others may take its letters.
    """

    class State(models.TextChoices):
        ASKED = "asked", "waits for a second person"
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        REFUSED = "refused"
        DONE = "done"

    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=1000, default="", blank=True)
    approved_by = models.CharField(max_length=150, default="", blank=True)
    selection = models.JSONField()  # the filter, see dlq.selection
    take = models.JSONField(default=list, blank=True)  # the groups of the dry run that go, beside the fresh ones
    expires_at = models.DateTimeField(null=True, blank=True)  # the new expiry of what has expired
    per_second = models.IntegerField(null=True, blank=True)  # letters for each provider; null: as fast as it goes
    canary = models.IntegerField(default=0)  # letters that must arrive before the others go; 0: they may go
    question = models.CharField(max_length=32, null=True, blank=True, unique=True)  # so that its answer counts once
    last_letter = models.BigIntegerField()  # letters that came after the question do not belong to it
    job_id = models.BigIntegerField(null=True, blank=True)
    state = WordField(max_length=16, choices=State, default=State.RUNNING)
    why_paused = models.CharField(max_length=255, default="", blank=True)  # or why it was refused
    since = models.JSONField(default=dict, blank=True)  # what was there when it began or was resumed
    asked = models.IntegerField(default=0)  # letters that matched
    going = models.IntegerField(default=0)  # of them, those that were to be sent
    looked_at = models.IntegerField(default=0)
    taken = models.IntegerField(default=0)
    taken_back = models.IntegerField(default=0)  # after a stop: they are open again, and not among `taken` any more
    left_out = models.JSONField(default=dict, blank=True)  # why → number
    sent = models.IntegerField(default=0)  # as last counted
    died_again = models.IntegerField(default=0)  # as last counted
    on_their_way = models.IntegerField(default=0)  # sent again, and neither arrived nor dead, as last counted
    summary = models.JSONField(default=list, blank=True)  # what died again, by problem and cause, once it is over
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def to_come(self) -> int:
        """How many letters it has not looked at yet."""
        return max(self.asked - self.looked_at, 0)


class Mending(models.Model):
    """One correction of many receivers: of which letters, what is changed to what, how far it is. A job works on it."""

    key = models.CharField(max_length=32, unique=True)  # of the page that asked, so that posting it twice makes one
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=1000)
    selection = models.JSONField()  # the filter, see dlq.selection
    correction = models.JSONField()  # see dlq.corrections; a text out of receivers is removed at the end
    devices = models.BooleanField(default=True)  # also those of the people, where they have the same address
    duplicates = models.BooleanField(default=False)  # also what somebody got at the right address before
    last_letter = models.BigIntegerField()  # letters that came after the question do not belong to it
    asked = models.IntegerField(default=0)  # letters that matched when the question was answered
    corrected = models.IntegerField(default=0)
    devices_corrected = models.IntegerField(default=0)
    left_out = models.JSONField(default=dict, blank=True)  # why → number
    job_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"correction {self.pk}"


class DeadLetter(models.Model):
    """A dead or held notification, or a record that could not be read and so has no notification.

    Its state goes from open to replaying, and from there to resolved or back to open; or from open to discarded. Some
    of its notification's columns stand here once more, so that the desk counts and filters letters in one table.
    """

    class State(models.TextChoices):
        OPEN = "open"
        REPLAYING = "replaying"
        RESOLVED = "resolved"
        DISCARDED = "discarded"

    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, related_name="dead_letter", null=True, blank=True, db_constraint=False
    )
    state = WordField(max_length=16, choices=State, default=State.OPEN)
    channel = WordField(max_length=32, choices=channel_choices, default="", blank=True)
    cause = WordField(max_length=32, choices=choices_of(Cause))
    error = models.CharField(max_length=1000, default="", blank=True)
    attempts = models.IntegerField(default=0)
    raw = models.BinaryField(null=True, blank=True)  # the record's bytes, where there is no notification
    topic = models.CharField(max_length=249, default="", blank=True)
    partition = models.IntegerField(null=True, blank=True)
    offset = models.BigIntegerField(null=True, blank=True)
    deaths = models.IntegerField(default=1)  # times it was opened
    repeats = models.IntegerField(default=1, db_default=1)  # deaths in a row of the same cause
    discard_reason = models.CharField(max_length=1000, default="", blank=True)
    # Of the notification, as it was at the last death or correction. What has a `db_default` was not there in 1.0: its
    # senders go on while the database is migrated, and name none of it.
    provider = models.CharField(max_length=64, default="", db_default="", blank=True)
    client = models.CharField(max_length=LENGTHS["client"], default="", db_default="", blank=True)
    category = models.CharField(max_length=LENGTHS["category"], default="", db_default="", blank=True)
    user = models.CharField(max_length=LENGTHS["user"], default="", db_default="", blank=True)
    receiver_hash = models.CharField(max_length=32, default="", db_default="", blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    uncertain = models.BooleanField(default=False, db_default=False)  # it may have arrived
    # The scheduler fills these two in within seconds: no sender waits for them.
    problem = models.ForeignKey(
        Problem, on_delete=models.SET_NULL, related_name="letters", null=True, blank=True, db_index=False
    )
    receiver_domain = models.CharField(max_length=255, default="", db_default="", blank=True)
    was_receiver_hash = models.CharField(
        max_length=32, default="", db_default="", blank=True
    )  # before it was corrected
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, related_name="letters", null=True, blank=True, db_index=False
    )
    was_status = models.CharField(max_length=16, null=True, blank=True)  # the notification's, before a run took it
    mending = models.ForeignKey(
        Mending, on_delete=models.SET_NULL, related_name="letters", null=True, blank=True, db_index=False
    )
    died_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "channel", "cause"], name="letter_state_channel_cause"),
            models.Index(fields=["died_at"], name="letter_died_at"),
            models.Index(fields=["problem", "state", "id"], name="letter_problem", condition=Q(problem__isnull=False)),
            models.Index(fields=["id"], name="letter_without_problem", condition=Q(problem__isnull=True)),
            models.Index(fields=["run", "state", "id"], name="letter_run", condition=Q(run__isnull=False)),
            models.Index(fields=["mending", "state", "id"], name="letter_mending", condition=Q(mending__isnull=False)),
            models.Index(fields=["receiver_hash", "id"], name="letter_receiver", condition=~Q(receiver_hash="")),
            models.Index(
                fields=["was_receiver_hash", "id"], name="letter_was_receiver", condition=~Q(was_receiver_hash="")
            ),
            models.Index(fields=["receiver_domain", "id"], name="letter_domain", condition=~Q(receiver_domain="")),
            # Few letters are in these, and the list's filters ask for them.
            models.Index(fields=["id"], name="letter_uncertain", condition=Q(uncertain=True)),
            models.Index(fields=["id"], name="letter_died_again", condition=Q(deaths__gt=1)),
            models.Index(fields=["id"], name="letter_of_the_same_cause", condition=Q(repeats__gt=1)),
            models.Index(fields=["expires_at"], name="letter_expires", condition=Q(expires_at__isnull=False)),
            models.Index(fields=["user", "id"], name="letter_user", condition=~Q(user="")),
            # The open ones of one address or user, of whom there may be hundreds of thousands that are resolved.
            models.Index(fields=["receiver_hash", "id"], name="letter_open_receiver", condition=Q(state="open")),
            models.Index(fields=["user", "id"], name="letter_open_user", condition=Q(state="open") & ~Q(user="")),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["topic", "partition", "offset"],
                name="letter_once_for_each_unreadable_record",
                condition=Q(notification__isnull=True),
            )
        ]
        permissions: ClassVar = [(right.codename, right.in_words) for right in Right]

    def __str__(self) -> str:
        return f"dead letter {self.pk}"


class DeadLetterEvent(models.Model):
    """An event for the dlq topic. The scheduler publishes it and notes the time."""

    event = WordField(max_length=16, choices=choices_of(LetterEvent))
    notification_id = models.UUIDField(null=True, blank=True)
    channel = models.CharField(max_length=32, default="", blank=True)
    cause = models.CharField(max_length=32, default="", blank=True)
    error = models.CharField(max_length=1000, default="", blank=True)
    attempts = models.IntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="event_unpublished", condition=Q(published_at__isnull=True)),
            models.Index(
                fields=["notification_id", "id"], name="event_notification", condition=Q(notification_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.notification_id}"
