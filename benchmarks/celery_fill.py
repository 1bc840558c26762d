"""Fills Celery's queue: `python -m benchmarks.celery_fill noop 8000`."""

from __future__ import annotations

import sys

from benchmarks.celery_app import URL, email, noop, slack, sms
from benchmarks.traffic import receiver_of, text_of

TASKS = {"noop": ("EMAIL", noop), "EMAIL": ("EMAIL", email), "SLACK": ("SLACK", slack), "SMS": ("SMS", sms)}

if __name__ == "__main__":
    channel, task = TASKS[sys.argv[1]]
    for number in range(int(sys.argv[2])):
        task.delay(id=str(number), receiver=receiver_of(channel, number, URL), subject="", message=text_of(number))
