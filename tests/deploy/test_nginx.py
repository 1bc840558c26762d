"""deploy/nginx/nginx.conf, tried with the real nginx before a web that has two threads and wants HTTPS."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode

import pytest

from harness.platform import Platform, wait_until
from harness.services.nginx import CONFIGURATION, NGINX, Nginx
from harness.services.shared import skip_without
from tests.caller import EMAIL

LIMIT = int(re.findall(r"limit_conn callers (\d+);", CONFIGURATION.read_text())[0])
MOST = int(re.findall(r"limit_conn all (\d+);", CONFIGURATION.read_text())[0])
SILENT = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nCookie: csrftoken=%s\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nx" % (b"a" * 32)
)


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
def front(web: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    front = Nginx(tmp_path_factory.mktemp("nginx"), web.ports[0])
    with front.process:
        wait_until(front.answers, deadline=30, what="nginx answers")
        yield front


@contextmanager
def silent_callers(front: Nginx, count: int, source: str = "127.0.0.1") -> Iterator[list[ssl.SSLSocket]]:
    with ExitStack() as stack:
        callers = [stack.enter_context(front.connect(source)) for _ in range(count)]
        for caller in callers:
            caller.sendall(SILENT)
        yield callers


def test_silent_callers_wait_before_the_web(front: Nginx) -> None:
    with silent_callers(front, 64):
        assert front.ask("GET", "/health/live")[0] == 200
        assert front.ask("GET", "/admin/login/")[0] == 200


def test_one_address_has_its_share_and_others_are_served(front: Nginx) -> None:
    with silent_callers(front, LIMIT + 1) as callers:
        assert b'"unavailable"' in callers[-1].recv(4096)
        status, body, _ = front.ask("GET", "/health/live")
        assert (status, json.loads(body)["code"]) == (503, "unavailable")
        assert front.ask("GET", "/health/live", source="127.0.0.2")[0] == 200


def test_all_addresses_together_have_no_more_than_the_disk_holds(front: Nginx) -> None:
    with ExitStack() as stack:
        for number in range(MOST // LIMIT):
            callers = stack.enter_context(silent_callers(front, LIMIT, f"127.0.1.{number + 1}"))
            callers[-1].settimeout(0.5)
            with pytest.raises(TimeoutError):  # it is kept waiting, not refused
                callers[-1].recv(1)
        assert front.ask("GET", "/health/live", source="127.0.0.2")[0] == 503


def test_staff_log_in_over_tls(front: Nginx) -> None:
    _, page, cookies = front.ask("GET", "/admin/login/")
    (token,) = re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    form = {"csrfmiddlewaretoken": token.decode(), "username": "anna", "password": "a-long-enough-password-7"}
    home = f"https://localhost:{front.port}"
    headers = {"Cookie": "; ".join(cookies), "Origin": home, "Referer": f"{home}/admin/login/"}
    body = urlencode(form).encode()
    posted = front.ask("POST", "/admin/login/", body, Content_Type="application/x-www-form-urlencoded", **headers)
    assert posted[0] == 302, posted


def test_the_largest_batch_goes_through_and_a_larger_body_is_told_so(web: Platform, front: Nginx) -> None:
    key = {"Authorization": f"Bearer {web.create_api_key('send')}", "Content_Type": "application/json"}
    batch = json.dumps({"notifications": [EMAIL | {"message": "x" * 50_000}] * 100}).encode()
    assert 4_900_000 < len(batch) < 5 * 1024 * 1024
    assert front.ask("POST", "/notifications", batch, **key)[0] == 202
    status, body, _ = front.ask("POST", "/notifications", b"x" * 6_500_000, **key)
    assert (status, json.loads(body)["code"]) == (413, "too_large")
