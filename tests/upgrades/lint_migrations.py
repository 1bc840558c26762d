"""Looks for migrations that keep others from a table, or that the last release cannot work beside.

`python -m tests.upgrades.lint_migrations`: Squawk reads what a PostgreSQL of its own is given by each migration since
the last release. It judges tables that the last release has; what is new is empty while it is made.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import django

from harness.services import postgres

OLDEST = "15.0"  # of PostgreSQL, for which Squawk judges
# Squawk's rules about locks, and those about what an older version still reads and writes.
RULES = {
    *("adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field"),
    *("adding-required-field", "adding-serial-primary-key-field", "changing-column-type"),
    *("constraint-missing-not-valid", "disallowed-unique-constraint", "require-concurrent-index-creation"),
    *("require-concurrent-index-deletion", "require-concurrent-partition-detach", "require-concurrent-reindex"),
    "require-lock-timeout",
    *("ban-drop-column", "ban-drop-table", "ban-drop-default", "renaming-column", "renaming-table"),
}
# What is known of migrations that were applied already: they cannot be changed any more, only be followed by others.
LETTERS = (
    "Letters are few: who opens one waits for some seconds for each 200,000, and senders keep their results meanwhile."
)
SMALL = "The table has hundreds of rows, written by people and breakers."
PEOPLE = "Only calls about people wait, for seconds a million: docs/upgrading.md, From 1.0."
JOINED = "Each partition has its index already, made CONCURRENTLY; this joins them."
INDEX = "require-concurrent-index-creation"
WAIT = "require-lock-timeout"
KNOWN: dict[str, tuple[str, set[str]]] = {
    "dlq.0003_problems_and_runs": (LETTERS, {INDEX, WAIT, "adding-foreign-key-constraint"}),
    "dlq.0006_events_by_notification": (LETTERS, {INDEX, WAIT}),
    "dlq.0007_run_figures": ("A column without a default is added in a moment.", {WAIT}),
    "dlq.0008_mending": (LETTERS, {INDEX, WAIT, "adding-foreign-key-constraint"}),
    "dlq.0009_open_letters_of_a_person": (LETTERS, {INDEX, WAIT}),
    "dlq.0010_find_odd_letters": (LETTERS, {INDEX, WAIT}),
    "notifications.0003_partition_the_ledger_by_time": (
        "These are of the new, empty table, whose first partition the old one becomes.",
        {
            *(INDEX, "renaming-table", "adding-serial-primary-key-field"),
            *("constraint-missing-not-valid", "disallowed-unique-constraint"),
        },
    ),
    "notifications.0007_settle_without_an_index": (JOINED, {INDEX}),
    "notifications.0008_minutes_and_standings": (SMALL, {INDEX, WAIT}),
    "notifications.0009_breaker_events_by_channel": (SMALL, {INDEX, WAIT}),
    "notifications.0010_find_staff_actions": (SMALL, {INDEX, WAIT}),
    "notifications.0011_find_by_cause_and_reason": (JOINED, {INDEX}),
    "notifications.0013_pauses": (JOINED, {INDEX}),
    "notifications.0019_find_members": (JOINED, {INDEX}),
    "users.0002_limits_of_api_keys": (
        "The table has dozens of rows. Keys are made with the new version from then on: docs/upgrading.md, From 1.0.",
        {WAIT, "ban-drop-default", "constraint-missing-not-valid", "adding-foreign-key-constraint"},
    ),
    "users.0003_people_apart_from_accounts": (PEOPLE, {WAIT, "ban-drop-table", "ban-drop-column"}),
    "users.0004_search": (PEOPLE, {INDEX, WAIT, "adding-field-with-default"}),
    "users.0005_notifications_a_day": ("A column without a default is added in a moment, to dozens of rows.", {WAIT}),
}


def complaints(tables: list[str], statements: dict[str, list[str]]) -> Iterator[str]:
    """Yields a sentence for each finding that is not known, and for what is known and not found any more.

    `tables` are those of the last release, `statements` those of each migration since.
    """
    found: dict[str, set[str]] = {}
    for migration, rule, statement in findings(tables, statements):
        found.setdefault(migration, set()).add(rule)
        if rule not in KNOWN.get(migration, ("", set()))[1]:
            yield f"{migration}: {rule}\n    {statement}\n    https://squawkhq.com/docs/{rule}"
    for migration, (_, rules) in KNOWN.items():
        for rule in rules - found.get(migration, set()):
            yield f"{migration}: {rule} is known and was not found; take it out of {Path(__file__).name}."


def findings(tables: list[str], statements: dict[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    """Yields (migration, rule, statement) where Squawk finds one of RULES broken on one of the tables."""
    theirs = re.compile(rf"\b({'|'.join(tables)})\b")
    with TemporaryDirectory() as directory:
        for name, lines in statements.items():
            Path(directory, name).write_text("\n".join(lines))
        squawk = [str(Path(sys.executable).parent / "squawk"), "--pg-version", OLDEST, "--reporter", "json"]
        done = subprocess.run([*squawk, *statements], cwd=directory, capture_output=True, text=True, check=False)
        for entry in json.loads(done.stdout):
            statement = statements[entry["file"]][entry["line"]]
            if entry["rule_name"] in RULES and theirs.search(statement):
                yield entry["file"], entry["rule_name"], statement


def main() -> str | None:
    """Returns what is wrong, or None."""
    if missing := postgres.missing_program():
        sys.stderr.write(f"Migrations were not looked at: there is no {missing}.\n")
        return f"CI must have {missing}." if os.environ.get("CI") == "true" else None
    with postgres.Postgres() as server:
        url = server.create_database("lint")
        os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings_postgresql", "TEST_DATABASE_URL": url}
        django.setup()
        from tests.upgrades.recorded import record

        return "\n".join(complaints(*record())) or None


if __name__ == "__main__":
    sys.exit(main())
