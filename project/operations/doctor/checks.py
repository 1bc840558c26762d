"""The list of checks, in the order in which they are made and printed."""

from __future__ import annotations

from functools import partial

from django.conf import settings

from project.operations.doctor import of_database, of_kafka, of_providers, of_settings, of_workers
from project.operations.doctor.examine import Check

DATABASE, TABLES, KAFKA = "database", "migrations", "Kafka"


def checks() -> list[Check]:
    """Returns every check. Those that have nothing to look at here say so themselves."""
    return [
        Check("libraries", of_settings.libraries),
        Check("secrets", of_settings.secrets),
        Check("hosts", of_settings.hosts),
        Check("sender address", of_settings.sender_address),
        Check("disk", of_settings.disk),
        Check(DATABASE, of_database.answers),
        Check("database version", of_database.version, needs=DATABASE),
        Check("database settings", of_database.session, needs=DATABASE),
        Check("database clock", of_database.clock, needs=DATABASE),
        Check(TABLES, of_database.migrations, needs=DATABASE),
        Check("schema", of_database.schema, needs=TABLES),
        Check("database rights", of_database.rights, needs=TABLES),
        Check("database writes", of_database.writes, needs=TABLES),
        Check("partitions of the ledger", of_database.partitions, needs=TABLES),
        Check(KAFKA, of_kafka.answers),
        Check("topics", of_kafka.topics, needs=KAFKA),
        Check("consumer groups", of_kafka.groups, needs=KAFKA),
        Check("unread records", of_kafka.log, needs=KAFKA),
        *(Check(f"provider of {name}", partial(of_providers.providers, name)) for name in settings.CHANNELS),
        Check("senders", of_workers.senders, needs=TABLES),
        Check("scheduler", of_workers.scheduler, needs=TABLES),
        Check("pauses", of_workers.pauses, needs=TABLES),
        Check("API keys", of_workers.api_keys, needs=TABLES),
    ]
