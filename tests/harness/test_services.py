"""The services themselves: what other tests rely on when they take them away and give them back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from confluent_kafka.admin import AdminClient

from harness.services import shared
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.process import Process
from harness.services.shared import SharedKafka, SharedPostgres
from harness.services.waiting import wait_until


def test_postgres_keeps_data_over_a_crash(postgres: SharedPostgres) -> None:
    with Postgres() as server:
        url = server.create_database("kept")
        _sql(url, "CREATE TABLE word AS SELECT 'safe' AS word")
        server.restart(immediate=True)
        assert _sql(url, "SELECT word FROM word") == [("safe",)]
    assert not server.directory.exists()


def test_the_role_is_no_superuser(postgres: SharedPostgres) -> None:
    name = f"role_{uuid4().hex[:8]}"
    url = postgres.create_database(name)
    try:
        assert _sql(url, "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user") == [
            ("notifications", False)
        ]
    finally:
        postgres.drop_database(name)


def test_kafka_keeps_topics_over_a_kill(kafka: SharedKafka) -> None:
    with Kafka() as broker:
        broker.run_tool("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "kept", "--partitions", "2")
        broker.kill()
        broker.start()
        assert "kept" in broker.run_tool("org.apache.kafka.tools.TopicCommand", "--list")


def test_kafka_takes_tls_and_scram_alone_on_its_second_listener(kafka: SharedKafka) -> None:
    settings = kafka.sasl_environment
    client: dict[str, str | int | float | bool] = {
        "bootstrap.servers": settings["KAFKA_BOOTSTRAP_SERVERS"],
        "security.protocol": settings["KAFKA_SECURITY_PROTOCOL"],
        "sasl.mechanism": settings["KAFKA_SASL_MECHANISM"],
        "sasl.username": settings["KAFKA_USERNAME"],
        "sasl.password": settings["KAFKA_PASSWORD"],
        "ssl.ca.location": settings["KAFKA_CA_FILE"],
        "log_level": 0,
    }
    assert AdminClient(client).list_topics(timeout=10).brokers
    with pytest.raises(Exception, match=r"Failed to|TRANSPORT"):
        AdminClient(client | {"sasl.password": "wrong"}).list_topics(timeout=3)


def test_services_end_with_the_test_run(tmp_path: Path, postgres: SharedPostgres) -> None:
    """Also where it was killed."""
    script = """
import os, time
from harness.services import shared
shared.open_run()
port = shared.shared_postgres().port
print(os.environ[shared.DIRECTORY], port, "started", flush=True)
time.sleep(600)
"""
    environment = {name: value for name, value in os.environ.items() if name not in (shared.DIRECTORY, shared.RUN)}
    with Process("run", [sys.executable, "-c", script], log=tmp_path / "log", env=environment) as run:
        wait_until(lambda: "started" in run.output, what="the service is there")
        directory, port, _ = run.output.split()
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        assert _sql(url, "SELECT 1") == [(1,)]
        run.kill()
        wait_until(lambda: not Path(directory).exists(), what="the keeper removed its directory")
    with pytest.raises(psycopg2.OperationalError):
        _sql(url, "SELECT 1")


@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_a_missing_program_is_skipped_here_and_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_it.py").write_text(
        "from harness.services import shared\ndef test_it(): shared.skip_without('Frobnicator')\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:django", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"1 {outcome}" in done.stdout, done.stdout


def _sql(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        connection.commit()
        return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
