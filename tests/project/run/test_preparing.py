"""What `make run` finds in its VAR_DIR: another one, or a database of a newer version."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from project.run import running
from project.run.local import stop_where_the_database_is_newer


def test_others_are_those_that_live(tmp_path: Path) -> None:
    mine = running.mark(tmp_path, 8020)
    other = running.mark(tmp_path, 8021)
    running.mark(tmp_path, 8022).close()  # as a killed one leaves it
    assert running.others(tmp_path, 8020) == [8021]
    assert running.others(tmp_path, 8021) == [8020]
    other.close()
    assert running.others(tmp_path, 8020) == []
    mine.close()


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    stop_where_the_database_is_newer(tmp_path)
    recorder = MigrationRecorder(connection)
    recorder.record_applied("axes", "9999_of_a_newer_axes")
    stop_where_the_database_is_newer(tmp_path)
    recorder.record_applied("dlq", "9999_of_a_newer_version")
    with pytest.raises(SystemExit, match=r"does not know dlq\.9999_of_a_newer_version\."):
        stop_where_the_database_is_newer(tmp_path)
