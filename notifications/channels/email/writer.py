"""The mail of a notification, the same for every provider that takes it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from notifications.channels.base import Outgoing
from notifications.channels.email.address import parse_sender
from notifications.channels.email.mime import Mail, written_sender
from notifications.channels.email.rules import Email
from notifications.channels.outcomes import Cause, SendError


class Writer:
    """Writes mails in the name of one sender."""

    def __init__(self, *, sender: str, default_subject: str) -> None:
        """`sender` is an address, with or without a display name. Raises ImproperlyConfigured where it is none."""
        try:
            name, address = parse_sender(sender)
        except ValueError as wrong:
            raise ImproperlyConfigured(f"DEFAULT_FROM_EMAIL must be {wrong}.") from None
        self._sender = written_sender(name, address)
        self._domain = address.rpartition("@")[2]
        self._default_subject = default_subject

    @classmethod
    def from_settings(cls) -> Self:
        return cls(sender=settings.DEFAULT_FROM_EMAIL, default_subject=settings.EMAIL_SUBJECT)

    def mail(self, notification: Outgoing) -> Mail:
        """Returns the mail. Raises SendError where the receiver is not one plain address."""
        if Email.receiver_problem(notification.receiver):
            raise SendError(Cause.INVALID_RECEIVER, "Not a plain e-mail address.", permanent=True)
        return Mail(
            sender=self._sender,
            receiver=Email.canonical(notification.receiver),
            subject=" ".join(notification.subject.splitlines()) or self._default_subject,
            text=notification.message,
            html=notification.html,
            message_id=f"<{notification.id}@{_digest(notification)}.{self._domain}>",
            unsubscribe=notification.unsubscribe,
        )


def _digest(notification: Outgoing) -> str:
    """Returns a digest of the content: mail clients take mails with one Message-ID for the same mail.

    An edited mail is another one.
    """
    content = "\0".join((notification.subject, notification.message, notification.html))
    return blake2b(content.encode(errors="surrogatepass"), digest_size=6).hexdigest()
