"""deploy/kubernetes as `kubectl apply -k` would send it."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.services.process import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
CRDS = Path(__file__).parent / "crds"  # the schemas of other projects' kinds, by kind

Object = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Object]:
    """Returns the objects of an overlay. Raises AssertionError where kustomize refuses it."""
    command = [str(Path(sys.executable).parent / "kubectl"), "kustomize", str(KUBERNETES / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> list[Object]:
    return [each for each in rendered(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> dict[str, Object]:
    """Returns the Jobs and Deployments, by part."""
    return {each["metadata"]["labels"]["part"]: each for each in of_kind(overlay, "Job", "Deployment")}


def pod(workload: Object) -> Object:
    """Returns the spec of its pods."""
    found: Object = workload["spec"]["template"]["spec"]
    return found


def containers(workload: Object) -> list[Object]:
    return [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]
