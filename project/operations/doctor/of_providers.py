"""Checks of the providers' credentials. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from notifications.channels import configured_providers
from notifications.channels.base import NotConfigured
from notifications.channels.outcomes import About, SendError
from project.operations.doctor.examine import LeftOut

SECONDS = 6.0  # for logging in
ADDRESS = "Is its address right, and open to us?"


def providers(channel: str) -> Iterator[str]:
    """Each provider of the channel that has its settings here knows us."""
    try:
        route = configured_providers(channel)
    except NotConfigured as error:
        raise LeftOut(f"Senders of it would not start here: {error}") from None
    except ImproperlyConfigured as error:
        yield str(error)
        return
    for provider in route:
        try:
            provider.prove(SECONDS)
        except SendError as error:
            yield f"{provider.name}: {_remedy(error, channel)}"
        except TimeoutError:
            yield f"{provider.name}: It does not answer within {SECONDS:g} seconds. {ADDRESS}"


def _remedy(error: SendError, channel: str) -> str:
    if error.about is About.ACCOUNT:
        return (
            f"It refuses us ({error.detail.rstrip('.')}). Renew the credentials, then restart the senders of {channel}."
        )
    return f"It cannot be used ({error.detail.rstrip('.')}). {ADDRESS}"
