"""What the topics' groups had read when they were rewound, after the ledger was restored from a backup."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Rewound(models.Model):
    """A partition of a topic. Who reads a record before this offset reads it again, and it may have been sent."""

    topic = models.CharField(max_length=249)
    partition = models.IntegerField()
    before = models.BigIntegerField()  # offset
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["topic", "partition"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["topic", "partition"], name="rewound_once")]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] before {self.before}"
