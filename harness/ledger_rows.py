"""Rows for a ledger, made inside the database: millions in a minute."""

from __future__ import annotations

from typing import Final

from harness.platform import Platform

# One row a millisecond, ending some minutes ago; ids are UUIDv7 of that time.
INSERT: Final = """
INSERT INTO notifications_notification (
    id, client, reference, channel, receiver, receiver_hash, subject, message, html, "user", category, priority,
    status, listed, reason, generation, claims, attempts, uncertain_count, due_at, provider, provider_message_id,
    last_cause, last_error, topic, "partition", "offset", trace_id, accepted_at, settled_at)
SELECT
    (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
    'main', '', 'EMAIL', 'r' || n % {receivers} || '@example.com', md5((n % {receivers})::text), 'Hello',
    'Hello, a notification as long as most are: your parcel is on its way and arrives tomorrow before noon.', '', '',
    'default', 'transactional', '{status}', {listed}, '{reason}', 0, 1, {attempts}, 0, {due_at}, 'smtp', 'queued',
    '{cause}', '', 't', n % 8, n, md5(n::text), to_timestamp(ms / 1000.0), {settled_at}
FROM generate_series(1, {count}) AS n,
    LATERAL (SELECT (extract(epoch FROM now()) * 1000)::bigint - {ends_before} - {count} + n AS ms) AS t
"""


def insert(site: Platform, count: int, *, due: bool = False, ends_before: int = 600_000) -> None:
    """So many rows sent long ago or, with `due`, waiting for a retry that is due now; then VACUUM ANALYZE.

    The last was accepted `ends_before` milliseconds ago; each of a tenth as many receivers has ten.
    """
    site.sql(
        INSERT.format(
            count=count,
            receivers=max(1, count // 10),
            ends_before=ends_before,
            listed="'waiting'" if due else "NULL",
            status="waiting" if due else "sent",
            reason="retry" if due else "",
            attempts=1 if due else 0,
            cause="provider-error" if due else "",
            due_at="now() - interval '1 second'" if due else "NULL",
            settled_at="NULL" if due else "now()",
        )
    )
    vacuum(site)


def vacuum(site: Platform) -> None:
    """What autovacuum would have done by now."""
    site.manage("shell", "--no-imports", "-c", VACUUM)


VACUUM = "from django.db import connection; connection.cursor().execute('VACUUM ANALYZE notifications_notification')"
