"""What the Dockerfile makes of a process: its command, and the settings it finds."""

from __future__ import annotations

import json
import re

from harness.services.process import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def image_command() -> list[str]:
    commands = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [str(word) for word in json.loads(commands[-1])]


def image_environment() -> dict[str, str]:
    """What the image sets of our settings."""
    lines = re.findall(r"^ENV .*$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
    found = re.findall(r"\b(EMBEDDED|METRICS_HOST|PYTHONPATH|GRANIAN_LOG_CONFIG)=(\S+)", "\n".join(lines))
    return {name: value.replace("/app", str(ROOT)) for name, value in found}
