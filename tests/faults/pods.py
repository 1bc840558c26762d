"""The pods of deploy/kubernetes as processes, with their part's commands, settings, Secret and Kafka rights alone."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from harness.platform.web import request
from harness.services.kafka import PASSWORD
from harness.services.nginx import Nginx
from harness.services.process import Process, free_ports
from harness.services.rights import add_user, give_rights
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from tests.deploy.image import image_command, image_environment
from tests.deploy.rendered import KUBERNETES, Object, containers, of_kind, pod, workloads
from tests.faults.site import Site

OVERLAY = "production"
PATTERNS = {"prefix": ResourcePatternType.PREFIXED, "literal": ResourcePatternType.LITERAL}
HOST = "notifications.example.com"


@dataclass
class Pod:
    """A pod of a Deployment: its processes by container, and the nginx of a web."""

    part: str
    spec: Object
    processes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    nginx: Nginx | None = None

    def is_ready(self) -> bool:
        """Whether its startup and readiness probes are content. The proxy's look whether it listens."""
        return all(self._is_ready(container) for container in self.spec["containers"])

    def _is_ready(self, container: Object) -> bool:
        process = self.processes[container["name"]]
        assert process.running, process.output
        if container["name"] == "proxy":
            return self.nginx is not None and self.nginx.answers()
        probes = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness")]
        try:
            return all(request(self.ports[container["name"]], "GET", path).status == 200 for path in probes)
        except OSError:
            return False


class Pods:
    """Starts and ends pods of one site as Kubernetes would."""

    def __init__(self, site: Site, kafka: SharedKafka) -> None:
        self._platform = site.platform
        self._workloads = workloads(OVERLAY)
        (config,) = (each for each in of_kind(OVERLAY, "ConfigMap") if "ALLOWED_HOSTS" in each["data"])
        self._settings: dict[str, str] = config["data"]
        reached = {name: kafka.sasl_environment[name] for name in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CA_FILE")}
        providers = site.providers.environment
        reached["TOPIC_PREFIX"] = self._platform.environment["TOPIC_PREFIX"]
        self._elsewhere = reached | {name: providers[name] for name in ("SLACK_WEBHOOK_PREFIXES", "TWILIO_BASE_URL")}
        self._secrets = (
            providers | dict.fromkeys(("SLACK_BOT_TOKEN", "ANYMAIL_WEBHOOK_SECRET"), "") | self._platform.environment
        )

    def run(self, part: str) -> None:
        """Runs a Job to its end."""
        self._finish([self._start(part, container) for container in containers(self._workloads[part])])

    def start(self, *parts: str) -> list[Pod]:
        """Starts a pod of each of these Deployments, and waits until all are ready."""
        pods = [Pod(part, pod(self._workloads[part])) for part in parts]
        self._finish([self._start(each.part, first) for each in pods for first in each.spec["initContainers"]])
        for each in pods:
            for container in reversed(each.spec["containers"]):  # the nginx of a web last, for it asks the web
                self._start_container(each, container)
        wait_until(lambda: all(each.is_ready() for each in pods), deadline=180, what=f"{parts} are ready")
        return pods

    def stop(self, pods: Iterable[Pod]) -> None:
        """Ends pods at once: a container's signal follows its preStop, and all is over within the grace period."""
        for each in pods:
            commands = [(one, one.get("lifecycle", {}).get("preStop")) for one in each.spec["containers"]]
            pauses = [(one, self._begin(hook["exec"]["command"]) if hook else None) for one, hook in commands]
            for container, pause in pauses:  # the shortest is the first
                if pause:
                    assert pause.wait() == 0
                # The image of nginx has STOPSIGNAL SIGQUIT.
                each.processes[container["name"]].signal(
                    signal.SIGQUIT if container["name"] == "proxy" else signal.SIGTERM
                )
            for process in each.processes.values():
                assert process.wait(each.spec["terminationGracePeriodSeconds"]) == 0, process.output

    def _finish(self, processes: Sequence[Process]) -> None:
        for process in processes:
            assert process.wait(120) == 0, process.output

    def _start_container(self, to: Pod, container: Object) -> None:
        name = container["name"]
        if name == "proxy":
            directory = self._platform.directory / f"nginx-{len(self._platform.processes)}"
            directory.mkdir()
            to.nginx = Nginx(directory, to.ports["web"])
            to.processes[name] = to.nginx.process
            self._platform.processes.append(to.nginx.process)
            return
        (to.ports[name],) = free_ports(1)
        to.processes[name] = self._start(to.part, container, to.ports[name])

    def _start(self, part: str, container: Object, port: int = 0) -> Process:
        here = {"python": sys.executable, "8020": str(port), "9100": str(port), "3": "1"}  # there is one broker
        command = [here.get(word, word) for word in container.get("command", image_command())]
        return self._begin(command, self._environment(part, container))

    def _begin(self, command: Sequence[str], environment: dict[str, str] | None = None) -> Process:
        whole = self._platform.environment
        self._platform.environment = environment or {}
        try:
            return self._platform.start("pod", command)
        finally:
            self._platform.environment = whole

    def _environment(self, part: str, container: Object) -> dict[str, str]:
        """What the container sees: the image's, the settings, its Secret and its variables."""
        path = f"{Path(sys.executable).parent}:{self._platform.environment['PATH']}"
        image = image_environment() | {"PATH": path, "VAR_DIR": str(self._platform.directory / "nothing")}
        lines = (KUBERNETES / "secrets" / f"{part}.env.example").read_text().splitlines()
        own = {} if part == "web" else {"SECRET_KEY": f"{part}-alone-" * 5}
        known = self._secrets | own
        secret = {name: known[name] for name, is_set, _ in (line.partition("=") for line in lines) if is_set}
        variables = {each["name"]: each.get("value", PASSWORD) for each in container.get("env", [])}
        settings = self._settings | self._elsewhere
        if "kafka-ca" not in {mount["name"] for mount in container["volumeMounts"]}:
            settings["KAFKA_CA_FILE"] = self._settings["KAFKA_CA_FILE"]  # which is not there
        return image | settings | secret | variables


def make_users(kafka: SharedKafka, prefix: str) -> None:
    """Makes the users of the overlay with the rights that they have there, on topics and groups of this prefix."""
    for user in of_kind(OVERLAY, "KafkaUser"):
        name = user["metadata"]["name"]
        add_user(kafka.servers, name)
        rules = user["spec"]["authorization"]["acls"]
        give_rights(
            kafka.servers,
            (_right(name, prefix, rule["resource"], each) for rule in rules for each in rule["operations"]),
        )


def _right(user: str, prefix: str, resource: Object, operation: str) -> AclBinding:
    return AclBinding(
        ResourceType[resource["type"].upper()],
        resource["name"].replace("notifications.", prefix),
        PATTERNS[resource["patternType"]],
        f"User:{user}",
        "*",
        AclOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()],
        AclPermissionType.ALLOW,
    )
