"""The shapes of the answers. Those of the requests are messages/draft.py's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db.models import Model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause, Outcome
from notifications.channels.receipts import DeliveryState
from notifications.ledger.receipts import delivery_of
from notifications.messages.words import Reason, Status, SuppressedFor
from notifications.models import Attempt, Digest, Notification
from project.database.word_field import choices_of
from users.access.authentication import caller_of, knows_users
from users.recipients.decide import Action, Rule
from users.recipients.sentences import explained
from users.recipients.suppression import REASONS as REASONS_OF_ADDRESSES

# Named so that the generated clients' enums are (settings.SPECTACULAR_SETTINGS).
STATUSES = choices_of(Status)
REASONS = choices_of(Reason) + choices_of(SuppressedFor)
CAUSES = choices_of(Cause)
OUTCOMES = choices_of(Outcome)
DELIVERY_STATES = choices_of(DeliveryState)
SHOWN_ATTEMPTS = 100  # the latest; an outage of a day may leave more


class UtcField(serializers.DateTimeField):
    """RFC 3339 in UTC, whatever zone the admin shows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class Accepted(serializers.Serializer[Any]):
    """It is durable; its id shows what becomes of it."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[Status.ACCEPTED.value])
    suppressed = serializers.ChoiceField(
        choices=REASONS_OF_ADDRESSES,
        required=False,
        help_text="Why nothing is sent to its receiver, so that it will end as `suppressed`; where that is known now.",
    )


class AcceptedBatch(serializers.Serializer[Any]):
    """In the order of the request."""

    notifications = Accepted(many=True)


class Cancelled(serializers.Serializer[Any]):
    """It is not sent, and will not be."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[Status.CANCELLED.value])


class TooLate(serializers.Serializer[Any]):
    """It cannot be cancelled any more."""

    detail = serializers.CharField()
    code = serializers.ChoiceField(choices=["too_late"])
    status = serializers.ChoiceField(choices=STATUSES)


class AttemptRow(serializers.ModelSerializer[Attempt]):
    """An attempt that did not simply send."""

    outcome = serializers.ChoiceField(choices=OUTCOMES)
    cause = serializers.ChoiceField(choices=CAUSES)
    at = UtcField()

    class Meta:
        model = Attempt
        fields: ClassVar = ["generation", "number", "at", "outcome", "cause", "error", "milliseconds"]
        read_only_fields = fields


class NotificationRow(serializers.ModelSerializer[Notification]):
    """Where a notification stands. Empty texts and nulls say that there is nothing to say."""

    type = serializers.ChoiceField(choices=channel_choices(), source="channel", allow_null=True)
    status = serializers.ChoiceField(choices=STATUSES)
    reason = serializers.ChoiceField(
        choices=REASONS, allow_blank=True, help_text="Why it waits, or why it was suppressed."
    )
    receiver = serializers.SerializerMethodField()
    attempts_spent = serializers.IntegerField(source="attempts", help_text="Retries spent since the last replay.")
    due_at = UtcField(allow_null=True, help_text="When a waiting notification is tried next.")
    accepted_at = UtcField()
    send_at = UtcField(allow_null=True)
    expires_at = UtcField(allow_null=True)
    settled_at = UtcField(allow_null=True)
    last_cause = serializers.ChoiceField(choices=CAUSES, allow_blank=True)
    texts_removed = serializers.BooleanField(
        help_text="True once receiver and texts were removed because they are old; the receiver is empty then."
    )

    class Meta:
        model: ClassVar[type[Model]] = Notification
        fields: ClassVar = [
            "id", "type", "status", "reason", "receiver", "user", "reference", "category", "priority",
            "generation", "attempts_spent", "uncertain_count", "due_at", "last_cause", "last_error",
            "provider", "provider_message_id", "accepted_at", "send_at", "expires_at",
            "settled_at",
            "trace_id", "texts_removed",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_receiver(self, row: Notification) -> str:
        """As it was given. Masked: a webhook's URL, which is a credential, and a user's address without `users`."""
        if row.texts_removed:
            return ""
        of_directory = row.user and not knows_users(caller_of(self.context["request"]))
        return row.masked_receiver if of_directory or "://" in row.receiver else row.receiver

    def to_representation(self, instance: Notification) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["type"] = shown["type"] or None
        return shown


def until_of(row: Notification) -> datetime | None:
    """Returns until when a row waits at most: what is folded comes back by itself some time after its digest closes."""
    if row.reason != Reason.DIGEST or row.due_at is None or row.digest_id is None:
        return row.due_at
    return Digest.objects.filter(pk=row.digest_id).values_list("closes_at", flat=True).first() or row.due_at


class DecisionShape(serializers.Serializer[Any]):
    """What keeps it from its receiver: the rule, why, and until when where it waits."""

    rule = serializers.ChoiceField(choices=choices_of(Rule))
    why = serializers.CharField()
    until = UtcField(allow_null=True)


class ForetoldShape(serializers.Serializer[Any]):
    """What would become of a notification, by which rule, why, and until when where it would wait."""

    decision = serializers.ChoiceField(choices=choices_of(Action))
    rule = serializers.ChoiceField(choices=choices_of(Rule))
    why = serializers.CharField()
    until = UtcField(allow_null=True)


class Delivery(serializers.Serializer[Any]):
    """What became of it after it was sent, as far as its provider tells."""

    state = serializers.ChoiceField(choices=DELIVERY_STATES)
    at = UtcField(help_text="When that was reported first.")


class NotificationDetail(NotificationRow):
    """Where a notification stands, with the attempts that did not simply send."""

    attempts = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()
    delivery = serializers.SerializerMethodField()

    class Meta(NotificationRow.Meta):
        fields: ClassVar = [*NotificationRow.Meta.fields, "decision", "attempts", "delivery"]

    @extend_schema_field(DecisionShape(allow_null=True))
    def get_decision(self, row: Notification) -> Any:
        """Null where no rule keeps it back."""
        found = explained(row.status, row.reason, until_of(row))
        return DecisionShape(found).data if found else None

    @extend_schema_field(Delivery(allow_null=True))
    def get_delivery(self, row: Notification) -> Any:
        """Null until its provider has reported it, which some never do."""
        found = delivery_of(row.pk)
        return Delivery(found).data if found else None

    @extend_schema_field(AttemptRow(many=True))
    def get_attempts(self, row: Notification) -> Any:
        """The latest 100, the oldest first."""
        latest = list(row.attempt_rows.order_by("-number")[:SHOWN_ATTEMPTS])
        return AttemptRow(latest[::-1], many=True).data
