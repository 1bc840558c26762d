"""What deploy/kubernetes promises, looked up in the objects of each overlay as kustomize renders them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from notifications.channels import channel_names
from tests.deploy.rendered import KUBERNETES, OVERLAYS, Object, containers, of_kind, pod, rendered, workloads

SENDERS = {f"sender-{channel.lower()}" for channel in channel_names()}
PARTS = {"migrate", "topics", "web", "scheduler", *SENDERS}
DRAIN = 25  # seconds: a sender's, by default
KILL = 20  # seconds: --workers-kill-timeout of the image's command

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


def deployments(overlay: str) -> dict[str, Object]:
    return {part: each for part, each in workloads(overlay).items() if each["kind"] == "Deployment"}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes a pod with these labels."""
    rules = [(rule["key"], rule["operator"], rule["values"]) for rule in selector.get("matchExpressions", [])]
    named = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return named and all((labels.get(key) in values) == (operator == "In") for key, operator, values in rules)


def labels_of(workload: Object) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def test_every_part_is_there_and_all_but_the_web_can_be_applied_first(overlay: str) -> None:
    """As docs/kubernetes.md says: `-l part!=web`. Whatever all parts share must not be the web's."""
    assert set(workloads(overlay)) == PARTS
    last = {each["kind"] for each in rendered(overlay) if each["metadata"].get("labels", {}).get("part") == "web"}
    assert last - {"HorizontalPodAutoscaler", "PodMonitor"} == {
        "Service",
        "Deployment",
        "PodDisruptionBudget",
        "Ingress",
    }


def test_every_pod_is_confined(overlay: str) -> None:
    for workload in workloads(overlay).values():
        spec = pod(workload)
        assert spec["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001}.items()
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for container in containers(workload):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_wait_for_the_migrations_and_are_replaced_one_by_one(overlay: str) -> None:
    for workload in deployments(overlay).values():
        (waiting,) = pod(workload)["initContainers"]
        assert waiting["command"][1:] == ["manage.py", "migrate", "--check"]
        assert waiting["image"] == pod(workload)["containers"][-1]["image"]
    for part in ("web", *SENDERS):
        assert workloads(overlay)[part]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_every_container_that_stays_has_three_probes(overlay: str) -> None:
    for part, workload in deployments(overlay).items():
        for container in pod(workload)["containers"]:
            probes = [container[f"{probe}Probe"] for probe in ("startup", "liveness", "readiness")]
            ports = {port["name"] for port in container["ports"]}
            assert all(probe.get("httpGet", probe.get("tcpSocket"))["port"] in ports for probe in probes)
        if part != "web":
            (worker,) = pod(workload)["containers"]
            assert [worker[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")] == [
                "/health/live",
                "/health/live",
                "/health/ready",
            ]
            assert worker["command"][-2:] == ["--metrics-port", str(worker["ports"][0]["containerPort"])]
            assert {"name": "METRICS_HOST", "value": "0.0.0.0"} in worker["env"]


def test_whoever_ends_may_end_what_they_have_begun(overlay: str) -> None:
    for part in SENDERS:
        assert pod(workloads(overlay)[part])["terminationGracePeriodSeconds"] > DRAIN
    web = pod(workloads(overlay)["web"])
    pauses = {each["name"]: int(each["lifecycle"]["preStop"]["exec"]["command"][1]) for each in web["containers"]}
    assert 0 < pauses["proxy"] < pauses["web"], "nginx ends first, for it asks the web"
    assert web["terminationGracePeriodSeconds"] > pauses["web"] + KILL


def test_every_deployment_survives_the_loss_of_a_node_and_of_a_zone(overlay: str) -> None:
    for workload in deployments(overlay).values():
        labels = labels_of(workload)
        assert workload["spec"]["selector"]["matchLabels"] == labels
        budgets = [
            each["spec"]["maxUnavailable"]
            for each in of_kind(overlay, "PodDisruptionBudget")
            if selects(each["spec"]["selector"], labels)
        ]
        assert budgets == [1]
        spread = pod(workload)["topologySpreadConstraints"]
        assert all(each["labelSelector"]["matchLabels"] == labels for each in spread)
        assert {each["topologyKey"].rpartition("/")[2] for each in spread} == {"zone", "hostname"}


def test_each_part_has_a_secret_of_its_own_with_an_example(overlay: str) -> None:
    examples = {path.name.removesuffix(".env.example") for path in KUBERNETES.glob("secrets/*.env.example")}
    assert examples == PARTS
    for part, workload in workloads(overlay).items():
        ours = [each for each in containers(workload) if each["name"] != "proxy"]
        secrets = {source["secretRef"]["name"] for each in ours for source in each["envFrom"] if "secretRef" in source}
        assert secrets == {f"notifications-{part}"}
        variables = [variable for each in ours for variable in each.get("env", [])]
        keys = {each["valueFrom"]["secretKeyRef"]["name"] for each in variables if "valueFrom" in each}
        assert keys == (set() if part == "migrate" else {f"kafka-{part}"})


def rules(overlay: str, labels: dict[str, str], direction: str) -> Iterator[tuple[Object, int | str]]:
    """Each peer that the pod may reach, or that may reach it, with the port."""
    side = "to" if direction == "egress" else "from"
    for policy in of_kind(overlay, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], labels):
            for rule in policy["spec"].get(direction, []):
                yield from ((peer, port["port"]) for peer in rule[side] for port in rule["ports"])


def is_internet(peer: dict[str, Any]) -> bool:
    block = peer.get("ipBlock", {})
    return str(block.get("cidr", "")).endswith("/0")


def test_what_no_policy_allows_is_denied(overlay: str) -> None:
    (deny,) = (each for each in of_kind(overlay, "NetworkPolicy") if each["metadata"]["name"] == "notifications-deny")
    assert set(deny["spec"]) == {"podSelector", "policyTypes"}
    assert set(deny["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert all(selects(deny["spec"]["podSelector"], labels_of(each)) for each in workloads(overlay).values())


def test_each_part_reaches_what_it_needs_and_nothing_else(overlay: str) -> None:
    kafka = 9093 if overlay == "production" else 9092
    for part, workload in workloads(overlay).items():
        allowed = list(rules(overlay, labels_of(workload), "egress"))
        assert {port for peer, port in allowed if not is_internet(peer)} == {
            53,
            *((5432,) if part != "topics" else ()),
            *((kafka,) if part != "migrate" else ()),
        }
        mail = {25, 465, 587} if part == "sender-email" else set()
        assert {port for peer, port in allowed if is_internet(peer)} == ({443, *mail} if part in SENDERS else set())
        assert all("10.0.0.0/8" in p["ipBlock"]["except"] for p, _ in allowed if is_internet(p) and ":" not in str(p))
        reached = {port for _, port in rules(overlay, labels_of(workload), "ingress")}
        ports = {port["name"] for each in containers(workload) for port in each.get("ports", [])}
        assert reached & ports == ports, "what has a port is asked there"
        assert part not in ("migrate", "topics") or not reached


def test_the_ingress_takes_in_whole_requests_and_bounds_each_address(overlay: str) -> None:
    (ingress,) = of_kind(overlay, "Ingress")
    annotations = {name.partition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}
    assert (annotations["proxy-request-buffering"], annotations["proxy-body-size"]) == ("on", "6m")
    assert int(annotations["limit-connections"]) > 0
    (host,) = (rule["host"] for rule in ingress["spec"]["rules"])
    assert {host for entry in ingress["spec"]["tls"] for host in entry["hosts"]} == {host}
    (service,) = of_kind(overlay, "Service")
    assert service["spec"]["ports"][0]["targetPort"] == "proxy", "the nginx of the pod bounds them, too"
    assert service["spec"]["selector"] == labels_of(workloads(overlay)["web"])


def test_numbers_follow_the_load(overlay: str) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in of_kind(overlay, "ScaledObject")}
    if overlay == "small":
        assert not scaled
        assert not of_kind(overlay, "HorizontalPodAutoscaler")
        return
    assert set(scaled) == {f"notifications-{part}" for part in SENDERS}
    command = containers(workloads(overlay)["topics"])[0]["command"]
    partitions = int(command[command.index("--partitions") + 1])
    for name, spec in scaled.items():
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, partitions)
        topic = name.replace("notifications-sender-", "notifications.")
        assert [trigger["metadata"]["topic"] for trigger in spec["triggers"]] == [topic, f"{topic}.bulk"]
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["consumerGroup"] == f"{trigger['metadata']['topic']}.senders"
    (web,) = of_kind(overlay, "HorizontalPodAutoscaler")
    assert web["spec"]["scaleTargetRef"]["name"] == "notifications-web"
    automatic = [deployments(overlay)[part] for part in ("web", *SENDERS)]
    assert not [each for each in automatic if "replicas" in each["spec"]], "each apply would set it back"


def test_kafka_keeps_what_it_acknowledged(overlay: str) -> None:
    for cluster in of_kind(overlay, "Kafka"):
        config = cluster["spec"]["kafka"]["config"]
        assert (config["default.replication.factor"], config["min.insync.replicas"]) == (3, 2)
        assert config["offsets.topic.replication.factor"] == 3
        assert config["auto.create.topics.enable"] is False
        assert cluster["spec"]["kafka"]["authorization"] == {"type": "simple"}
        assert sum(pool["spec"]["replicas"] for pool in of_kind(overlay, "KafkaNodePool")) == 3
        assert containers(workloads(overlay)["topics"])[0]["command"][-2:] == ["--replication-factor", "3"]
        users = {each["metadata"]["name"] for each in of_kind(overlay, "KafkaUser")}
        assert users == {"kafka-keda", *(f"kafka-{part}" for part in PARTS - {"migrate"})}
