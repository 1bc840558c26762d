"""Dead letters for a desk, made inside the database: a million in a minute."""

from __future__ import annotations

from typing import Final

from harness.platform import Platform

PROBLEMS: Final = 200
# A cause and an answer for each number.
CAUSES: Final = "(ARRAY['unknown-receiver', 'mailbox-full', 'rejected-content', 'provider-outage', 'timeout'])"

# Every so manieth row of the ledger, from the newest on, dies.
DIE: Final = """
UPDATE notifications_notification AS n SET status = 'dead', listed = 'dead', attempts = 6, last_error = 'refused',
    last_cause = {causes}[1 + chosen.place % 5], "user" = 'u' || chosen.place % 20000
FROM (
    SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
        SELECT id, row_number() OVER (ORDER BY id DESC) AS back FROM notifications_notification
    ) AS numbered WHERE back % {every} = 0
) AS chosen
WHERE n.id = chosen.id
"""
MAKE_PROBLEMS: Final = """
INSERT INTO dlq_problem (channel, provider, cause, fingerprint, version, example, state, growing, first_seen, last_seen,
    deaths, open_letters, receivers, owner, note, link, changed_at)
SELECT 'EMAIL', 'smtp', {causes}[1 + n % 5], 'refused, kind ' || n, 1, 'refused', 'new', n % 20 = 0,
    now() - interval '30 days', now() - n * interval '1 minute', {letters} / {problems}, {letters} / {problems} / 3,
    {letters} / {problems} / 10, '', '', '', now()
FROM generate_series(1, {problems}) AS n
"""
MAKE_HOURS: Final = """
INSERT INTO dlq_problemhour (problem_id, hour, deaths)
SELECT p.id, date_trunc('hour', now()) - h * interval '1 hour', 1 + (p.id * h) % 37
FROM dlq_problem AS p, generate_series(0, 167) AS h
"""
# A third is open; the others are resolved, but for each thousandth, which is being replayed.
MAKE_LETTERS: Final = """
INSERT INTO dlq_deadletter (notification_id, state, channel, cause, error, attempts, topic, "partition", "offset",
    deaths, repeats, discard_reason, provider, client, category, "user", receiver_hash, uncertain, problem_id,
    receiver_domain, was_receiver_hash, died_at, changed_at)
SELECT id, CASE WHEN place % 1000 = 0 THEN 'replaying' WHEN place % 3 = 0 THEN 'open' ELSE 'resolved' END, channel,
    last_cause, last_error, attempts, topic, "partition", "offset", 1, 1, '', provider, client, category, "user",
    receiver_hash, place % 100 = 0, (SELECT min(id) FROM dlq_problem) + place % {problems}, 'example.com', '',
    settled_at, settled_at
FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM notifications_notification WHERE listed = 'dead') AS n
"""
MAKE_MINUTES: Final = """
INSERT INTO notifications_minute (minute, channel, provider, happened, cause, count)
SELECT date_trunc('minute', now()) - m * interval '1 minute', channel, 'smtp', happened, '', 1 + m % 50
FROM generate_series(0, 14 * 1440) AS m, unnest(ARRAY['EMAIL', 'SMS', 'SLACK']) AS channel,
    unnest(ARRAY['accepted', 'sent', 'failed', 'dead']) AS happened
"""
TABLES: Final = (
    "notifications_notification",
    "notifications_minute",
    "dlq_deadletter",
    "dlq_problem",
    "dlq_problemhour",
)


def insert(site: Platform, *, every: int) -> None:
    """Makes every so manieth notification a dead letter, with problems and two weeks of minutes; then analyses."""
    (counted,) = site.sql("SELECT count(*) AS rows FROM notifications_notification")
    numbers = {"causes": CAUSES, "every": every, "problems": PROBLEMS, "letters": int(counted["rows"]) // every}
    for statement in (DIE, MAKE_PROBLEMS, MAKE_HOURS, MAKE_LETTERS, MAKE_MINUTES):
        site.sql(statement.format(**numbers))
    for table in TABLES:
        site.manage("shell", "--no-imports", "-c", VACUUM.format(table=table), deadline=600)


VACUUM = "from django.db import connection; connection.cursor().execute('VACUUM ANALYZE {table}')"
