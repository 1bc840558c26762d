"""The provider's call of the threads: a POST over a pool of kept connections, as one would write it by hand."""

from __future__ import annotations

import json
import os
from functools import cache

import urllib3

HEADERS = {"Content-Type": "application/json"}


def post(receiver: str, message: str) -> None:
    """Posts as Slack's webhooks want it. Raises AssertionError for every answer but a 200."""
    body = json.dumps({"text": message}).encode()
    assert _pool().request("POST", receiver, body=body, headers=HEADERS, retries=False).status == 200


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=int(os.environ["BENCH_THREADS"]))
