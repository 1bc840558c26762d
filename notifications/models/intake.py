"""What the intake looks up: categories and idempotency keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from notifications.channels import channel_names
from notifications.messages.fields import LENGTHS, LONGEST_KEY
from notifications.messages.words import CategoryKind, Late, Overflow, SuppressedFor
from project.database.word_field import WordField, choices_of

MOST_IN_A_CAP = 10_000  # notifications
LONGEST_CAP = 366 * 86_400  # seconds
LONGEST_DIGEST = 7 * 86_400
# Why an address is suppressed that a category may pass: not STOP, and not what a person chose.
PASSABLE = tuple(
    why.value
    for why in SuppressedFor
    if why not in (SuppressedFor.STOP, SuppressedFor.CHOICE, SuppressedFor.NOT_CHOSEN)
)


class Category(models.Model):
    """What the caller says a notification is about: who gets it, when, and what to do where the outcome is unknown.

    `users/recipients/decide.py` says what follows from it for a person.
    """

    class OnUncertain(models.TextChoices):
        RESEND = "resend", "resend: try again, a duplicate is possible"
        HOLD = "hold", "hold: a person decides"

    name = models.CharField(max_length=LENGTHS["category"], unique=True)
    on_uncertain = WordField(max_length=16, choices=OnUncertain, default=OnUncertain.RESEND)
    sensitive = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Hides what its notifications contain from staff, and lets nobody change a receiver.",
    )

    kind = WordField(
        "class",
        max_length=16,
        choices=choices_of(CategoryKind),
        default=CategoryKind.TRANSACTIONAL.value,
        db_default=CategoryKind.TRANSACTIONAL.value,
    )
    on_by_default = models.BooleanField(
        default=True, db_default=True, help_text="People get it unless they switch it off."
    )
    channels = models.JSONField(
        null=True, blank=True, help_text="A list such as [“EMAIL”]. Empty: it goes out on every channel."
    )
    cap_count = models.PositiveIntegerField(
        "cap", null=True, blank=True, help_text="So many to one person in a rolling window. Empty: any number. 0: none."
    )
    cap_seconds = models.PositiveIntegerField("window of the cap", null=True, blank=True, help_text="In seconds.")
    overflow = WordField(
        "over a cap",
        max_length=16,
        choices=choices_of(Overflow),
        default=Overflow.WAIT.value,
        db_default=Overflow.WAIT.value,
        help_text="Of the category or of the person: each waits for a place, or all go out as one when there is one.",
    )
    digest_seconds = models.PositiveIntegerField(
        "digest after", null=True, blank=True, help_text="Seconds from the first; they go out as one."
    )
    digest_limit = models.PositiveIntegerField(
        "limit of the digest",
        null=True,
        blank=True,
        help_text="Then those seconds begin anew with each, and it goes out so many seconds after the first at most.",
    )
    digest_at = models.TimeField(
        "digest at", null=True, blank=True, help_text="Instead: at this hour of the person's day."
    )
    quiet = models.BooleanField("obeys quiet hours", default=True, db_default=True)
    late = WordField(
        "where quiet hours last too long",
        max_length=16,
        choices=choices_of(Late),
        default=Late.SEND.value,
        db_default=Late.SEND.value,
    )
    passes = models.JSONField(
        "passes suppressions for",
        null=True,
        blank=True,
        help_text="A list such as [“bounced”]: these do not keep it from an address. Never “stop”.",
    )

    class Meta:
        verbose_name_plural = "categories"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError with what is wrong, by field, in the words of the API and of the admin."""
        errors = {name: why for name, why in self._problems() if why}
        if errors:
            raise ValidationError(errors)

    def _problems(self) -> Iterator[tuple[str, str | None]]:
        if not self.name or self.name.isspace() or not self.name.isprintable():
            yield "name", "Must have printable characters, not all of them blank."
        if self.channels is not None:
            yield "channels", _list_problem(self.channels, channel_names())
        if self.passes is not None:
            yield "passes", _list_problem(self.passes, PASSABLE)
        yield "cap_count", _number_problem(self.cap_count, 0, MOST_IN_A_CAP)
        yield "cap_seconds", _number_problem(self.cap_seconds, 1, LONGEST_CAP)
        if self.cap_seconds is not None and self.cap_count is None:
            yield "cap_count", "A window needs a number of notifications."
        yield "digest_seconds", _number_problem(self.digest_seconds, 1, LONGEST_DIGEST)
        if self.digest_seconds is not None and self.digest_at is not None:
            yield "digest_at", "Seconds and an hour exclude each other."
        if self.digest_limit is not None and not self._limit_is_possible(self.digest_limit):
            yield "digest_limit", f"A limit needs seconds, and must be from these to {LONGEST_DIGEST:,}."

    def _limit_is_possible(self, limit: int) -> bool:
        return self.digest_seconds is not None and self.digest_seconds <= limit <= LONGEST_DIGEST

    @classmethod
    def held(cls) -> frozenset[str]:
        """Names of the categories in which a person decides about unknown outcomes."""
        return frozenset(cls.objects.filter(on_uncertain=cls.OnUncertain.HOLD).values_list("name", flat=True))

    @classmethod
    def sensitive_names(cls) -> frozenset[str]:
        """Names of the categories whose contents nobody at the desk sees."""
        return frozenset(cls.objects.filter(sensitive=True).values_list("name", flat=True))


def _list_problem(given: Any, words: Sequence[str]) -> str | None:
    """Returns what is wrong with a list of some of these words."""
    if isinstance(given, list) and given and all(word in words for word in given) and len(set(given)) == len(given):
        return None
    return f"Must be a list of some of {', '.join(words)}, each once."


def _number_problem(given: int | None, least: int, most: int) -> str | None:
    return None if given is None or least <= given <= most else f"Must be from {least} to {most:,}."


class IdempotencyKey(models.Model):
    """A client's own key for one request, committed before the request is published.

    `client` is empty for keys that we made ourselves (`accept.OURS`).
    """

    client = models.CharField(max_length=LENGTHS["client"])
    key = models.CharField(max_length=LONGEST_KEY)
    notification_id = models.UUIDField()
    body_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "key"], name="idempotency_key_once_for_each_client")
        ]
        indexes: ClassVar = [models.Index(fields=["notification_id"], name="idempotency_notification")]

    def __str__(self) -> str:
        return f"idempotency key of {self.notification_id}"
