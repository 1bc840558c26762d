"""What the lint of migrations complains about; `make lint` reads the real ones."""

from __future__ import annotations

from tests.upgrades.lint_migrations import INDEX, KNOWN, complaints

TABLES = ["notifications_notification", "dlq_deadletter"]


def test_a_lock_on_a_table_of_the_last_release_is_named_with_its_statement() -> None:
    statements = {
        "dlq.0010_find_odd_letters": ["CREATE INDEX known ON dlq_deadletter (id);"],
        "dlq.0099_new": [
            "SET LOCAL lock_timeout = '1s';",
            "CREATE INDEX of_new_table ON dlq_new (id);",
            "CREATE INDEX CONCURRENTLY beside ON dlq_deadletter (id);",
            "CREATE INDEX locks ON dlq_deadletter (id);",
            "ALTER TABLE notifications_notification RENAME COLUMN subject TO title;",
        ],
    }
    of_new = [text for text in complaints(TABLES, statements) if text.startswith("dlq.0099")]
    assert [text.split("\n")[0] for text in of_new] == [f"dlq.0099_new: {INDEX}", "dlq.0099_new: renaming-column"]
    assert "locks ON dlq_deadletter" in of_new[0]


def test_what_is_known_and_not_there_any_more_is_named() -> None:
    named = list(complaints(TABLES, {"dlq.0099_new": ["SELECT 1;"]}))
    assert len(named) == sum(len(rules) for _, rules in KNOWN.values())
