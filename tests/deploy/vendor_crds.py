"""Makes tests/deploy/crds anew: `python -m tests.deploy.vendor_crds SOURCE FILE…`, for CRDs of that source.

SOURCE is the project and its version, such as "strimzi/strimzi-kafka-operator 1.2.0"; the files are its CRDs.
Of each the newest version's schema is kept, without words and status, and strict: what it does not name is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.rendered import CRDS

WORDS = ("description", "example", "externalDocs")


def main() -> None:
    source, *files = sys.argv[1:]
    for file in files:
        crd = yaml.safe_load(Path(file).read_text())["spec"]
        version = crd["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"].pop("status", None)
        made = {"$comment": f"{source}, {Path(file).name}"} | strict(schema)
        made["properties"]["apiVersion"] = {"const": f"{crd['group']}/{version['name']}"}
        made["properties"]["metadata"] = {"type": "object"}
        (CRDS / f"{crd['names']['kind']}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")


def strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: strict(each) for name, each in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
        if key not in WORDS and not key.startswith("x-kubernetes-")
    }
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not open_ended:
        kept["additionalProperties"] = False
    return kept


if __name__ == "__main__":
    main()
