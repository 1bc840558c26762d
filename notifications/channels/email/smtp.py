"""E-mail over SMTP, with a client and mails of our own."""

from __future__ import annotations

from typing import Self

from django.conf import settings

from notifications.channels.base import AsyncProvider, NotConfigured, Outgoing
from notifications.channels.email.mime import address_of, mime
from notifications.channels.email.writer import Writer
from notifications.channels.redaction import queue_id
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.session import Tls

DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"
NOTHING_SET = "EMAIL_URL, or EMAIL_BACKEND and ANYMAIL_…, must be set for the EMAIL channel."


class OverSmtp(AsyncProvider):
    """A mail server."""

    name = "smtp"

    def __init__(self, writer: Writer, smtp: Smtp) -> None:
        self._writer = writer
        self._smtp = smtp

    @classmethod
    def from_settings(cls) -> Self:
        if not settings.EMAIL_CONFIGURED or settings.EMAIL_BACKEND != DJANGO_SMTP:
            raise NotConfigured(NOTHING_SET)
        tls: Tls = "ssl" if settings.EMAIL_USE_SSL else "starttls" if settings.EMAIL_USE_TLS else ""
        smtp = Smtp(
            settings.EMAIL_HOST,
            settings.EMAIL_PORT,
            user=settings.EMAIL_HOST_USER,
            password=settings.EMAIL_HOST_PASSWORD,
            tls=tls,
            timeout=settings.SEND_TIMEOUT_SECONDS,
            helo=settings.EMAIL_HELO,
        )
        return cls(Writer.from_settings(), smtp)

    async def asend(self, notification: Outgoing) -> str:
        mail = self._writer.mail(notification)
        words = await self._smtp.send(address_of(mail.sender), mail.receiver, mime(mail))
        return queue_id(words, mail.receiver)

    async def aprove(self) -> None:
        await self._smtp.log_in()

    async def aclose(self) -> None:
        await self._smtp.close()
