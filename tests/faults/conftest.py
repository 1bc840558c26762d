"""Sites on the run's services, or on services of the module's own where a test takes them away."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.platform.providers import Providers, open_providers
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.proxy import Proxy
from harness.services.shared import SharedKafka, SharedPostgres
from tests.faults.site import Site, open_site
from tests.faults.table import Row, write

TABLE = "FAULTS_TABLE"  # the file whose table is rewritten at the end of the run

Recorder = Callable[[str, object], None]
Opener = Callable[..., Site]
_table: dict[int, Row] = defaultdict(Row)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(number): which row of the table in docs/reliability.md this proves")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Gather what the tests noted; with workers this is called in the controlling process."""
    noted = dict(report.user_properties)
    if "fault" not in noted or (report.when != "call" and report.passed):
        return
    row = _table[int(str(noted["fault"]))]
    row.outcomes.add(report.outcome)
    for name, figures in report.user_properties:
        if name == "balance" and isinstance(figures, (list, tuple)):
            row.add(*figures)


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = os.environ.get(TABLE)
    if path and _table and not hasattr(session.config, "workerinput"):
        write(Path(path), _table)


@pytest.fixture(autouse=True)
def _fault_number(request: pytest.FixtureRequest, record_property: Recorder) -> None:
    marker = request.node.get_closest_marker("fault")
    if marker:
        record_property("fault", marker.args[0])


@pytest.fixture
def providers() -> Iterator[Providers]:
    with open_providers() as providers:
        yield providers


@pytest.fixture
def open_with(tmp_path: Path, providers: Providers, record_property: Recorder) -> Iterator[Opener]:
    """Opens a site for this test: `open_with(postgres_port=…, kafka_servers=…)`."""
    with ExitStack() as stack:
        yield lambda **services: stack.enter_context(open_site(tmp_path, providers, record_property, **services))


@pytest.fixture
def site(open_with: Opener, postgres: SharedPostgres, kafka: SharedKafka) -> Site:
    """On the run's PostgreSQL and Kafka; nothing is started yet."""
    return open_with(postgres_port=postgres.port, kafka_servers=kafka.servers)


@pytest.fixture
def database_proxy(postgres: SharedPostgres) -> Iterator[Proxy]:
    """Between the processes of `proxied_site` and the run's PostgreSQL."""
    with Proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def proxied_site(open_with: Opener, postgres: SharedPostgres, kafka: SharedKafka, database_proxy: Proxy) -> Site:
    """The same, its processes reaching the database through `database_proxy`."""
    return open_with(postgres_port=postgres.port, kafka_servers=kafka.servers, database_port=database_proxy.port)


@pytest.fixture(scope="module")
def _own_kafka(kafka: SharedKafka) -> Iterator[Kafka]:
    with Kafka(behind_proxy=True) as broker:  # asking for the shared one skips where none can be
        yield broker


@pytest.fixture
def own_kafka(_own_kafka: Kafka) -> Iterator[Kafka]:
    """The module's own broker, behind a proxy, to be taken away; the next test finds it whole again."""
    yield _own_kafka
    if _own_kafka.proxy:
        _own_kafka.proxy.drop()
        _own_kafka.proxy.resume()
    if _own_kafka._process is None:
        _own_kafka.start()


@pytest.fixture(scope="module")
def _own_postgres(postgres: SharedPostgres) -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def own_postgres(_own_postgres: Postgres) -> Iterator[Postgres]:
    """The module's own PostgreSQL, to be taken away; the next test finds it running."""
    yield _own_postgres
    if _own_postgres._process is None:
        _own_postgres.start()
