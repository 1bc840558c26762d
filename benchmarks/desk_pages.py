"""How long the pages of the desk take on a full ledger, beside the page that only needs a login."""

from __future__ import annotations

import re
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from secrets import token_urlsafe
from typing import Final
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from benchmarks import weeks
from benchmarks.bench import Bench
from benchmarks.intake import start_web
from benchmarks.lines import Line, shown
from benchmarks.measure import median, percentile
from harness import letter_rows
from harness.platform import Platform

ROWS, FULL_ROWS, LETTERS_OF = 500_000, 5_000_000, 5  # every fifth notification died
PASSWORD: Final = token_urlsafe(20)
MOST = 0.3  # seconds, for 95 of 100
TIMES, UNCOUNTED = 20, 3
LOGIN_ONLY = "the page that only needs a login"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')

LETTERS, ROWS_OF_LEDGER = "/admin/dlq/deadletter/", "/admin/notifications/notification/"
# With what a query needs of the newest letter: {letter}, {problem}, {id}, {user}.
PAGES: Final = {
    LOGIN_ONLY: "/admin/password_change/",
    "overview": "/admin/",
    "problems": "/admin/dlq/problem/",
    "a problem": "/admin/dlq/problem/{problem}/change/",
    "letters": LETTERS,
    "letters, last page": f"{LETTERS}?p=1000",
    "letters of a problem": f"{LETTERS}?problem={{problem}}",
    "letters, one cause": f"{LETTERS}?cause=mailbox-full",
    "letters, a cause that none has": f"{LETTERS}?cause=bug",
    "letters, all states": f"{LETTERS}?state=all",
    "letters being replayed": f"{LETTERS}?state=replaying",
    "letters that may have arrived": f"{LETTERS}?uncertain=yes",
    "letters, searched by user": f"{LETTERS}?q={{user}}",
    "a letter": f"{LETTERS}{{letter}}/change/",
    "the question of a run over a problem": "/admin/dlq/run/ask/?problem={problem}",
    "runs": "/admin/dlq/run/",
    "notifications": ROWS_OF_LEDGER,
    "notifications, queued": f"{ROWS_OF_LEDGER}?status=queued",
    "notifications, sending": f"{ROWS_OF_LEDGER}?status=sending",
    "notifications, dead": f"{ROWS_OF_LEDGER}?status=dead",
    "notifications, a cause that none has": f"{ROWS_OF_LEDGER}?cause=throttled",
    "notifications waiting for an outage": f"{ROWS_OF_LEDGER}?reason=outage",
    "notifications, one channel": f"{ROWS_OF_LEDGER}?channel=SLACK",
    "a notification": f"{ROWS_OF_LEDGER}{{id}}/change/",
    "a person": "/admin/person/?user={user}",
    "staff actions": "/admin/notifications/staffaction/",
    "people": "/admin/users/user/",
    "devices": "/admin/users/device/",
}


def pages(bench: Bench) -> list[Line]:
    """Each page, a few times one after the other, as a superuser over HTTP. FULL takes 5,000,000 rows."""
    site = bench.services.fresh()
    rows = bench.size(FULL_ROWS if bench.full else ROWS, 20_000)
    weeks.fill(site, rows)
    letter_rows.insert(site, every=LETTERS_OF)
    site.manage("shell", "-c", _ACCOUNT)
    start_web(site)
    browser = _logged_in(site.ports[0])
    names = _names(site)
    took = {page: _times(browser, site.ports[0], path.format(**names)) for page, path in PAGES.items()}
    bench.services.drop(site)
    return [_line(page, seconds, took[LOGIN_ONLY], rows) for page, seconds in took.items()]


_ACCOUNT = (
    "from django.contrib.auth import get_user_model; "
    f"get_user_model().objects.create_superuser('bench', password='{PASSWORD}')"
)


def _logged_in(port: int) -> OpenerDirector:
    """Returns a client with a session. It says that it came over TLS, as a proxy would."""
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    browser = build_opener(HTTPCookieProcessor(jar))
    browser.addheaders = [("X-Forwarded-Proto", "https"), ("Referer", f"https://127.0.0.1:{port}/admin/login/")]
    address = f"http://127.0.0.1:{port}/admin/login/"
    (token, *_) = TOKEN.findall(browser.open(address).read().decode())
    form = {"username": "bench", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
    browser.open(address, urlencode(form).encode()).read()
    return browser


def _names(site: Platform) -> dict[str, str]:
    (row,) = site.sql('SELECT id, notification_id, problem_id, "user" FROM dlq_deadletter ORDER BY id DESC LIMIT 1')
    return {
        "letter": row["id"],
        "problem": row["problem_id"],
        "id": row["notification_id"],
        "user": row["user"],
    }


def _times(browser: OpenerDirector, port: int, path: str) -> list[float]:
    """Seconds of each GET, the first few left out."""
    took = []
    for _ in range(UNCOUNTED + TIMES):
        began = time.perf_counter()
        answer = browser.open(f"http://127.0.0.1:{port}{path}")
        answer.read()
        took.append(time.perf_counter() - began)
        if "/login/" in answer.url:
            raise AssertionError(f"{path} asked for a login")
    return took[UNCOUNTED:]


def _line(page: str, seconds: list[float], login: list[float], rows: int) -> Line:
    p95 = percentile(seconds, 0.95)
    return Line(
        figure=page,
        must=f"95 % ≤ {MOST * 1000:.0f} ms",
        measured=f"p50 {median(seconds) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms",
        baseline=f"p50 {median(login) * 1000:.0f} ms",
        ratio=shown(median(seconds) / median(login)),
        reached=p95 <= MOST,
        note=f"{rows:,} notifications, {rows // LETTERS_OF:,} letters" if page == LOGIN_ONLY else "",
    )
