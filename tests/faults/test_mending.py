"""A correction of many letters whose scheduler is killed in the middle of a step."""

from __future__ import annotations

import pytest

from harness.services.waiting import wait_until
from tests.faults.site import Site, locked, wait_until_blocked

LETTERS = 1500  # three steps
# A step writes these down after it has changed letters and notifications.
KEEP_FROM_RECORDING = "LOCK TABLE notifications_staffaction IN SHARE MODE"
RECORD = "/* insert_staff_changes */"
_ID = (
    "(lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint + n), 12, '0')"
    " || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid"
)


def _fill(site: Site) -> None:
    """A correction of gmial.com with its job, and letters of people, each with the same fault in their device."""
    site.platform.sql(
        "INSERT INTO notifications_notification (id, client, reference, channel, receiver, receiver_hash, subject,"
        ' message, html, "user", category, priority, status, listed, reason, generation, claims, attempts,'
        " uncertain_count, provider, provider_message_id, last_cause, last_error, topic, trace_id, accepted_at,"
        f" settled_at) SELECT {_ID}, 'main', '', 'EMAIL', 'person' || n || '@gmial.com', 'old ' || n, '', 'text', '',"
        " 'u' || n, 'default', 'transactional', 'dead', 'dead', '', 0, 1, 0, 0, 'smtp', '', 'unknown-receiver', '',"
        f" '', '', now() - interval '1 hour', now() FROM generate_series(1, {LETTERS}) AS n"
    )
    site.platform.sql(
        "INSERT INTO dlq_problem (channel, provider, cause, fingerprint, version, example, state, growing, first_seen,"
        " last_seen, deaths, open_letters, receivers, owner, note, link, changed_at) SELECT 'EMAIL', 'smtp',"
        " 'unknown-receiver', '', 1000, '', 'new', false, now(), now(), 0, 0, 0, '', '', '', now()"
    )
    site.platform.sql(
        "INSERT INTO dlq_deadletter (notification_id, state, channel, cause, error, attempts, topic, deaths, repeats,"
        ' discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, problem_id, died_at, changed_at) SELECT n.id, 'open', 'EMAIL', 'unknown-receiver', '', 1,"
        " '', 1, 1, '', n.provider, client, category, \"user\", receiver_hash, false, 'gmial.com', '', p.id, now(),"
        " now() FROM notifications_notification AS n, dlq_problem AS p ORDER BY n.id"
    )
    site.platform.sql(
        f"INSERT INTO users_user (username, name) SELECT 'u' || n, '' FROM generate_series(1, {LETTERS}) AS n"
    )
    site.platform.sql(
        "INSERT INTO users_device (user_id, channel, address, position)"
        " SELECT id, 'EMAIL', 'person' || substr(username, 2) || '@gmial.com', 0 FROM users_user"
    )
    site.platform.sql(
        "INSERT INTO dlq_mending (key, actor, reason, selection, correction, devices, duplicates, last_letter, asked,"
        " corrected, devices_corrected, left_out, created_at) SELECT 'key', 'anna', 'typed wrong', '{}',"
        ' \'{"kind": "domain", "old": "gmial.com", "new": "gmail.com"}\', true, false, max(id), count(*), 0, 0, \'{}\','
        " now() FROM dlq_deadletter"
    )
    site.platform.sql(
        "INSERT INTO notifications_job (kind, parameters, done, counts, state, actor, failures, error, due_at,"
        " created_at) SELECT 'mend', json_build_object('mending', id), 0, '{}', 'waiting', 'anna', 0, '', now(), now()"
        " FROM dlq_mending"
    )


def _count(site: Site, what: str) -> int:
    return int(site.platform.sql(f"SELECT count(*) AS count FROM {what}")[0]["count"])


def _job(site: Site) -> dict[str, object]:
    return site.platform.sql("SELECT state, done, failures FROM notifications_job WHERE kind = 'mend'")[0]


@pytest.mark.fault(29)
def test_a_killed_schedulers_correction_corrects_each_letter_once(site: Site) -> None:
    _fill(site)
    with locked(site, KEEP_FROM_RECORDING):
        first = site.platform.start_scheduler()
        wait_until_blocked(site, RECORD)
        first.kill()
    site.struck()
    site.wait_until_database_is_idle()
    assert _job(site)["done"] == 0, "a step that was killed moved the cursor"
    assert _count(site, "notifications_notification WHERE receiver LIKE '%gmail.com'") == 0

    second = site.platform.start_scheduler()
    wait_until(lambda: int(str(_job(site)["done"])) >= LETTERS // 3, deadline=60, what="a step is done")
    second.kill()  # wherever it is by now
    site.wait_until_database_is_idle()
    done = _job(site)["done"]
    corrected = "notifications_notification AS n JOIN dlq_deadletter AS l ON l.notification_id = n.id"
    corrected += " WHERE n.receiver LIKE '%@gmail.com' AND n.receiver_hash = l.receiver_hash"
    assert _count(site, f"{corrected} AND l.mending_id IS NOT NULL") == done

    site.platform.start_scheduler()
    wait_until(lambda: _job(site)["state"] == "done", deadline=60, what=f"the job is done; it is {_job(site)}")
    assert (_job(site)["done"], _job(site)["failures"]) == (LETTERS, 0)
    assert _count(site, f"{corrected} AND l.was_receiver_hash = 'old ' || substr(l.\"user\", 2)") == LETTERS
    assert _count(site, "users_device WHERE address LIKE '%@gmail.com'") == LETTERS
    for verb in ("mend", "mend-device"):
        recorded = f"notifications_staffaction WHERE action = '{verb}' AND target NOT LIKE 'correction%'"
        assert _count(site, recorded) == LETTERS
        assert _count(site, f"(SELECT DISTINCT target FROM {recorded}) AS t") == LETTERS
    figures = site.platform.sql("SELECT corrected, devices_corrected, left_out::text FROM dlq_mending")[0]
    assert figures == {"corrected": LETTERS, "devices_corrected": LETTERS, "left_out": "{}"}
    site.balance(maybe=LETTERS)
