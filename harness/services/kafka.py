"""A private Kafka broker: one node (controller and broker), a plain and a SASL_SSL listener, on 127.0.0.1."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from harness.services.jars import class_path
from harness.services.process import Process, free_ports
from harness.services.proxy import Proxy
from harness.services.waiting import wait_until

USERNAME = "notifications"
PASSWORD = "test-only"
CLUSTER = "bm90aWZpY2F0aW9ucy10ZQ"  # the id of every broker here: 16 bytes in base64
# Brokers and tools live for seconds: what Java's second compiler takes, it does not give back in so short a time.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
LOGGING = """
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


class Kafka:
    """`start`, `stop` and `kill` keep data and ports, so that a test can take the broker away and give it back.

    With `behind_proxy` its plain listener is reached through `proxy` alone, for lost answers and cut connections.
    Users of the SASL_SSL listener have no right but those that an ACL gives. Only USERNAME has all, unless the
    broker is `guarded`. The plain listener has them all. Where its speed matters it is not `short_lived`.
    """

    def __init__(self, *, behind_proxy: bool = False, guarded: bool = False, short_lived: bool = True) -> None:
        self._guarded = guarded
        self._java = ["java", *(SHORT_LIVED if short_lived else ())]
        self.directory = Path(tempfile.mkdtemp(prefix="ntf-kafka-"))
        self._plain, self._sasl, self._controller = free_ports(3)
        self.proxy = Proxy(self._plain) if behind_proxy else None
        self._process: Process | None = None
        self._write_certificates()
        (self.directory / "log4j2.properties").write_text(LOGGING)
        self._properties.write_text(self._configuration())
        self._format()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def servers(self) -> str:
        """KAFKA_BOOTSTRAP_SERVERS of the plain listener."""
        return f"127.0.0.1:{self.proxy.port if self.proxy else self._plain}"

    @property
    def sasl_environment(self) -> dict[str, str]:
        """The settings that reach the SASL_SSL listener."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self._sasl}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_USERNAME": USERNAME,
            "KAFKA_PASSWORD": PASSWORD,
            "KAFKA_CA_FILE": str(self.directory / "ca.pem"),
        }

    def start(self) -> None:
        heap = ["-Xms256m", "-Xmx512m", f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"]
        command = [*self._java, *heap, "-cp", class_path(), "kafka.Kafka", str(self._properties)]
        self._process = Process("kafka", command, log=self.directory / "log")
        wait_until(self._answers, deadline=180, what=f"the broker answers; its log: {self._process.log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(60)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Sends SIGSTOP: connections stay open, and nothing is answered."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def close(self) -> None:
        """Kills it and removes its data."""
        self.kill()
        if self.proxy:
            self.proxy.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run_tool(self, tool: str, *arguments: str, deadline: float = 60) -> str:
        """Returns the output of one of Kafka's own tools, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`."""
        return run_tool(tool, *arguments, "--bootstrap-server", self.servers, deadline=deadline)

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    def _answers(self) -> bool:
        assert self._process is not None
        if not self._process.running:
            raise AssertionError(f"the broker ended:\n{self._process.output[-4000:]}")
        return _listens(self._plain) and _listens(self._sasl)

    def _write_certificates(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.directory / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # Java reads no other form
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.directory / "server.pem").write_bytes(pkcs8 + chain)

    def _format(self) -> None:
        scram = f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]"
        arguments = ["format", "-t", CLUSTER, "-c", str(self._properties), "--add-scram", scram]
        run_tool("kafka.tools.StorageTool", *arguments)

    def _configuration(self) -> str:
        plain, sasl, controller = (f"127.0.0.1:{port}" for port in (self._plain, self._sasl, self._controller))
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{plain},SASL_SSL://{sasl},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.servers},SASL_SSL://{sasl}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.directory / "server.pem"),
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "2000",  # else a restarted broker waits 9 s for its former self
            "broker.heartbeat.interval.ms": "500",
            "auto.create.topics.enable": "false",
            "controlled.shutdown.enable": "false",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS" if self._guarded else f"User:ANONYMOUS;User:{USERNAME}",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def run_tool(tool: str, *arguments: str, deadline: float = 60) -> str:
    command = ["java", *SHORT_LIVED, "-Xmx256m", "-cp", class_path(), tool, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=deadline, check=False)
    if done.returncode:
        raise AssertionError(f"{tool} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
