"""deploy/nginx/nginx.conf, tried with the real nginx before a web that has two threads and wants HTTPS."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from harness.platform import Platform, wait_until
from harness.services.process import ROOT, Process, free_ports
from harness.services.shared import skip_without
from tests.caller import EMAIL

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
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
LIMIT = int(re.findall(r"limit_conn callers (\d+);", (ROOT / "deploy" / "nginx" / "nginx.conf").read_text())[0])
MOST = int(re.findall(r"limit_conn all (\d+);", (ROOT / "deploy" / "nginx" / "nginx.conf").read_text())[0])
SILENT = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nCookie: csrftoken=%s\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nx" % (b"a" * 32)
)


class Front:
    """A running nginx with the shipped configuration: TLS on a port of its own, the given web behind it."""

    def __init__(self, directory: Path, web_port: int) -> None:
        (self.port,) = free_ports(1)
        authority = trustme.CA()
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
        site = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
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


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """As in production, but for Kafka: HTTPS is taken for granted, and API keys are required."""
    skip_without(None if NGINX else "nginx")
    directory = tmp_path_factory.mktemp("web")
    url = f"sqlite:///{directory}/notifications.sqlite3"
    settings = {"DATABASE_URL": url, "SECRET_KEY": "for-tests-only-" * 4}
    with Platform(directory, settings, url.replace(":///", "://")) as platform:
        platform.prepare()
        platform.environment["DJANGO_SUPERUSER_PASSWORD"] = "a-long-enough-password-7"
        platform.manage("createsuperuser", "--noinput", "--username", "anna", "--email", "anna@example.com")
        platform.start_web("--blocking-threads", "2")
        yield platform


@pytest.fixture(scope="module")
def front(web: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("nginx"), web.ports[0])
    with front.process:
        wait_until(front.answers, deadline=30, what="nginx answers")
        yield front


@contextmanager
def silent_callers(front: Front, count: int, source: str = "127.0.0.1") -> Iterator[list[ssl.SSLSocket]]:
    with ExitStack() as stack:
        callers = [stack.enter_context(front.connect(source)) for _ in range(count)]
        for caller in callers:
            caller.sendall(SILENT)
        yield callers


def test_silent_callers_wait_before_the_web(front: Front) -> None:
    with silent_callers(front, 64):
        assert front.ask("GET", "/health/live")[0] == 200
        assert front.ask("GET", "/admin/login/")[0] == 200


def test_one_address_has_its_share_and_others_are_served(front: Front) -> None:
    with silent_callers(front, LIMIT + 1) as callers:
        assert b'"unavailable"' in callers[-1].recv(4096)
        status, body, _ = front.ask("GET", "/health/live")
        assert (status, json.loads(body)["code"]) == (503, "unavailable")
        assert front.ask("GET", "/health/live", source="127.0.0.2")[0] == 200


def test_all_addresses_together_have_no_more_than_the_disk_holds(front: Front) -> None:
    with ExitStack() as stack:
        for number in range(MOST // LIMIT):
            callers = stack.enter_context(silent_callers(front, LIMIT, f"127.0.1.{number + 1}"))
            callers[-1].settimeout(0.5)
            with pytest.raises(TimeoutError):  # it is kept waiting, not refused
                callers[-1].recv(1)
        assert front.ask("GET", "/health/live", source="127.0.0.2")[0] == 503


def test_staff_log_in_over_tls(front: Front) -> None:
    _, page, cookies = front.ask("GET", "/admin/login/")
    (token,) = re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    form = {"csrfmiddlewaretoken": token.decode(), "username": "anna", "password": "a-long-enough-password-7"}
    home = f"https://localhost:{front.port}"
    headers = {"Cookie": "; ".join(cookies), "Origin": home, "Referer": f"{home}/admin/login/"}
    body = urlencode(form).encode()
    posted = front.ask("POST", "/admin/login/", body, Content_Type="application/x-www-form-urlencoded", **headers)
    assert posted[0] == 302, posted


def test_the_largest_batch_goes_through_and_a_larger_body_is_told_so(web: Platform, front: Front) -> None:
    key = {"Authorization": f"Bearer {web.create_api_key('send')}", "Content_Type": "application/json"}
    batch = json.dumps({"notifications": [EMAIL | {"message": "x" * 50_000}] * 100}).encode()
    assert 4_900_000 < len(batch) < 5 * 1024 * 1024
    assert front.ask("POST", "/notifications", batch, **key)[0] == 202
    status, body, _ = front.ask("POST", "/notifications", b"x" * 6_500_000, **key)
    assert (status, json.loads(body)["code"]) == (413, "too_large")
