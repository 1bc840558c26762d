"""A real Postfix with its defaults, in a directory and on ports of its own. It needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from harness.services.process import free_ports
from harness.services.waiting import wait_until

MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/mail.log
maillog_file_prefixes = {directory}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.com
mydestination = example.com
local_recipient_maps =
alias_maps =
mynetworks = 192.0.2.0/24
local_transport = discard:
default_transport = discard:
"""
MASTER = """
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
discard unix - - n - - discard
"""


def missing_program() -> str | None:
    """Returns what Postfix needs and this machine or user lacks, or None."""
    if os.geteuid() != 0:
        return "root, who alone may start Postfix"
    return None if shutil.which("postfix", path="/usr/sbin") else "Postfix"


class Postfix:
    """A server for each set of rules: `Postfix({"client": "smtpd_client_restrictions=reject"})`."""

    def __init__(self, rules: dict[str, str]) -> None:
        self.ports = dict(zip(rules, free_ports(len(rules)), strict=True))
        self._rules = rules

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="postfix-"))
        self._directory.chmod(0o755)  # its processes give up root's rights
        for name in ("conf", "queue", "data"):
            (self._directory / name).mkdir()
        shutil.chown(self._directory / "data", "postfix")
        services = [
            f"127.0.0.1:{port} inet n - n - - smtpd\n  -o {{ {self._rules[name]} }}\n"
            for name, port in self.ports.items()
        ]
        (self._directory / "conf/main.cf").write_text(MAIN.format(directory=self._directory))
        (self._directory / "conf/master.cf").write_text(MASTER + "".join(services))
        self._run("start")
        wait_until(lambda: self._run("status", check=False) == 0, what="Postfix runs")
        return self

    def __exit__(self, *_: object) -> None:
        self._run("stop", check=False)
        shutil.rmtree(self._directory)

    def _run(self, verb: str, *, check: bool = True) -> int:
        command = ["/usr/sbin/postfix", "-c", str(self._directory / "conf"), verb]
        return subprocess.run(command, check=check, capture_output=True, timeout=60).returncode
