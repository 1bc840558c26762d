"""Celery as one would take it: Redis, a thread pool, tasks acknowledged when done, the providers' SDKs as they come.

`celery -A benchmarks.celery_app worker -P threads -c 64` works; benchmarks/celery_fill.py fills.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from celery import Celery
from django.core.mail import EmailMessage
from slack_sdk import WebhookClient
from twilio.rest import Client

app = Celery("benchmarks", broker=os.environ.get("BENCH_REDIS", ""))
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)
URL = os.environ.get("BENCH_URL", "")


def task(function: Callable[..., None]) -> Any:
    """`app.task`, which has no types of its own."""
    return app.task(function)


@task
def noop(**_message: Any) -> None:
    """A provider that answers at once."""


@task
def email(*, receiver: str, message: str, **_rest: Any) -> None:
    EmailMessage("Notification", message, to=[receiver]).send()


@task
def slack(*, receiver: str, message: str, **_rest: Any) -> None:
    assert WebhookClient(receiver).send(text=message).status_code == 200


@task
def sms(*, receiver: str, message: str, **_rest: Any) -> None:
    assert _twilio().messages.create(to=receiver, body=message, from_=os.environ["TWILIO_FROM"]).sid


@cache
def _twilio() -> Client:
    client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
    client.api.base_url = URL
    return client
