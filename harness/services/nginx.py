"""A real nginx with the shipped configuration, on 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import ssl
from http.client import HTTPSConnection
from pathlib import Path

import trustme

from harness.services.process import ROOT, Process, free_ports

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = ROOT / "deploy" / "nginx" / "nginx.conf"
HTTP = """
daemon off;
user {user};
pid nginx.pid;
error_log stderr;
events {{ worker_connections 2000; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    ssl_certificate server.pem; ssl_certificate_key server.pem;
    {site}
}}
"""


class Nginx:
    """A running nginx with the shipped configuration: TLS on a port of its own, the given web behind it."""

    def __init__(self, directory: Path, web_port: int) -> None:
        (self.port,) = free_ports(1)
        authority = trustme.CA()
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
        site = CONFIGURATION.read_text()
        for shipped, here in (("listen 8080;", f"listen {self.port} ssl;"), ("web:8020", f"127.0.0.1:{web_port}")):
            assert shipped in site
            site = site.replace(shipped, here)
        (directory / "nginx.conf").write_text(HTTP.format(site=site, user=getpass.getuser()))
        command = [str(NGINX), "-p", str(directory), "-c", "nginx.conf"]
        self.process = Process("nginx", command, log=directory / "nginx.log")

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        return self.tls.wrap_socket(plain, server_hostname="localhost")

    def answers(self) -> bool:
        assert self.process.running, self.process.output
        return self.takes_callers()

    def takes_callers(self) -> bool:
        """Returns False once it has ended, or was asked to."""
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, bytes, list[str]]:
        """Status, body and cookies."""
        there = HTTPSConnection("localhost", self.port, context=self.tls, timeout=30, source_address=(source, 0))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        there.request(method, path, body, named)
        answer = there.getresponse()
        cookies = [value.partition(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        found = answer.status, answer.read(), cookies
        there.close()
        return found
