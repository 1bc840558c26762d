"""What an operator does by hand. Each function does it under traffic, and yields sentences about what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which

from confluent_kafka.admin import AdminClient

from harness.platform import Platform
from harness.platform.web import request
from harness.services.postgres import Postgres
from harness.services.process import ROOT
from harness.services.waiting import wait_until
from tests.faults.site import Site
from tests.operations.fleet import Fleet, Services, Traffic, delivered

CREATE = ("create_topics", "--replication-factor", "1", "--partitions")


def rolling_restart(services: Services) -> Iterator[str]:
    with services.site() as site:
        fleet = Fleet(site)
        fleet.start()
        with Traffic(site) as traffic:
            time.sleep(3)
            yield fleet.replace_all()
            time.sleep(2)
        yield traffic.in_words()
        yield delivered(site)


def partitions_added(services: Services) -> Iterator[str]:
    with services.site() as site:
        fleet = Fleet(site)
        fleet.start()
        with Traffic(site) as traffic:
            time.sleep(3)
            site.platform.manage(*CREATE, "8")
            grown = time.time()
            time.sleep(30)
        yield traffic.in_words()
        yield delivered(site)
        (row,) = site.platform.sql(
            "SELECT max(extract(epoch FROM settled_at - accepted_at)) AS slowest FROM notifications_notification"
            f" WHERE accepted_at > to_timestamp({grown})"
        )
        yield f"of those accepted afterwards the slowest was sent after {float(str(row['slowest'])):.1f} s"


def topic_made_again(services: Services) -> Iterator[str]:
    with services.site() as site:
        fleet = Fleet(site)
        fleet.start()
        prefix = site.platform.environment["TOPIC_PREFIX"]
        admin = AdminClient({"bootstrap.servers": services.kafka.servers, "log_level": 0})
        with Traffic(site) as traffic:
            time.sleep(3)
            for topic in admin.delete_topics([f"{prefix}sms"]).values():
                topic.result(30)
            time.sleep(5)
            yield f"/health/ready of a web: {_ready(site)}"
            wait_until(
                lambda: _ended(site, *CREATE, "4").returncode == 0, deadline=60, what="the topic can be made again"
            )
            time.sleep(15)
        yield traffic.in_words()
        ended = [process.wait(1) for process in fleet.senders if not process.running]
        yield f"senders that ended: {ended or 'none'}"
        for process in [each for each in fleet.senders if not each.running]:
            fleet.senders.remove(process)
            fleet.senders.append(site.platform.start_sender("--no-scheduler"))
        site.platform.manage("requeue")
        yield f"after `manage.py requeue`: {delivered(site)}"


def _ready(site: Site) -> str:
    answer = request(site.platform.ports[0], "GET", "/health/ready")
    return f"{answer.status} {answer.body.decode()[:160]}"


def key_rotation(services: Services) -> Iterator[str]:
    with services.site() as site:
        site.platform.start_web()
        old = site.platform._key
        new = site.platform.create_api_key()
        accepted = [_with(site, key) for key in (old, new)]
        (prefix,) = site.platform.sql("SELECT prefix FROM users_apikey ORDER BY id LIMIT 1")
        site.platform.manage("revoke_api_key", str(prefix["prefix"]))
        began = time.monotonic()
        wait_until(lambda: _with(site, old) == 401, deadline=60, what="the old key is refused")
        took = time.monotonic() - began
        yield f"both keys of the client: {accepted}"
        yield f"the revoked one is refused after {took:.1f} s, the new one: {_with(site, new)}"


def _with(site: Site, key: str) -> int:
    (item,) = site.items(1)
    return site.platform.request(
        "POST",
        "/notification",
        json.dumps(item).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    ).status


def database_failover(services: Services) -> Iterator[str]:
    with services.site() as site, Postgres(primary=services.postgres) as standby:
        ports = f"127.0.0.1:{services.postgres.port},127.0.0.1:{standby.port}"
        site.platform.environment["DATABASE_URL"] = site.platform.database_url.replace(
            f"127.0.0.1:{services.postgres.port}", ports
        )
        fleet = Fleet(site)
        fleet.start()
        with Traffic(site) as traffic:
            time.sleep(5)
            services.postgres.stop(immediate=True)
            lost = time.monotonic()
            time.sleep(3)
            standby.promote()
            site.platform.database_url = site.platform.database_url.replace(
                f":{services.postgres.port}/", f":{standby.port}/"
            )
            took = site.took()
            wait_until(lambda: site.took() > took + 20, deadline=120, what="it sends again")
            yield f"promoted 3 s after the crash, sending again {time.monotonic() - lost:.1f} s after it"
            time.sleep(5)
        yield traffic.in_words()
        yield delivered(site)
        site.platform.stop_all()
    services.postgres.start()


def secret_key_rotation(services: Services) -> Iterator[str]:
    with services.site() as site:
        old = site.platform.environment["SECRET_KEY"]
        new = "another-key-for-tests-" * 3
        site.platform.environment["HASH_KEY"] = old
        fleet = Fleet(site)
        fleet.start()
        with Traffic(site) as traffic:
            for key, fallback in ((old, new), (new, old), (new, "")):
                site.platform.environment |= {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": fallback}
                yield fleet.replace_all()
        yield traffic.in_words()
        yield delivered(site)


def hash_key_rotation(services: Services) -> Iterator[str]:
    with services.site() as site:
        keys = ["the-first-hash-key-" * 2, "the-second-hash-key-" * 2]
        site.platform.environment["HASH_KEY"] = keys[0]
        fleet = Fleet(site)
        fleet.start()
        (early,) = site.send(1, "EMAIL", receiver="ann@example.org")
        with Traffic(site) as traffic:
            site.platform.environment |= {"HASH_KEY": keys[1], "HASH_KEY_FALLBACKS": keys[0]}
            yield fleet.replace_all()
        (late,) = site.send(1, "EMAIL", receiver="ann@example.org")
        yield traffic.in_words()
        yield delivered(site)
        answer = site.platform.get("/notifications?type=EMAIL&receiver=ann%40example.org").json()
        found = {entry["id"] for entry in answer["results"]}
        yield f"a receiver's notifications of before and after are found: {found == {early, late}}"


def disk_full(services: Services) -> Iterator[str]:
    """The embedded default on a file system of 8 MB; only root can mount one."""
    disk = Path(tempfile.mkdtemp(dir=services.directory))
    subprocess.run([str(which("mount")), "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        with Platform.embedded(disk) as platform:
            platform.prepare()
            platform.start_web()
            platform.start_sender()
            platform.send("ann@example.org")
            filler = disk / "filler"
            with filler.open("ab", buffering=0) as file, suppress(OSError):
                while file.write(b"0" * 4096):
                    pass
            answers = [platform.post(_mail(number)) for number in range(5)]
            ready = request(platform.ports[-1], "GET", "/health/ready")
            yield f"answers {sorted({answer.status for answer in answers})}: {answers[-1].body.decode()[:120]}"
            yield f"/health/ready {ready.status}: {ready.body.decode()[:160]}"
            filler.unlink()
            wait_until(lambda: platform.post(_mail(9)).status == 202, deadline=60, what="it accepts again")
            wait_until(lambda: set(platform.statuses()) == {"sent"}, deadline=60, what="all is sent")
            yield f"with space again it goes on by itself; {platform.manage('balance').strip().splitlines()[-1]}"
            platform.kill_all()
    finally:
        subprocess.run([str(which("umount")), "-l", str(disk)], check=True)


def _mail(number: int) -> dict[str, str]:
    return {"type": "EMAIL", "receiver": f"user{number}@example.com", "message": "x" * 4000}


def wrong_kafka_password(services: Services) -> Iterator[str]:
    with services.site() as site:
        site.platform.environment |= services.kafka.sasl_environment | {"KAFKA_PASSWORD": "wrong"}
        done = _ended(site, "create_topics")
        yield f"`create_topics` ends with {done.returncode}: {done.stderr.strip().splitlines()[-1]}"
        site.platform.start_web()
        (item,) = site.items(1)
        began = time.monotonic()
        answer = site.platform.post(item)
        yield f"a post: {answer.status} after {time.monotonic() - began:.1f} s, by the outbox"
        yield f"/health/ready: {_ready(site)}"
        sender = site.platform.start_sender()
        wait_until(
            lambda: "assw" in sender.output or "uthent" in sender.output, deadline=60, what="the sender says why"
        )
        yield f"the sender's log: {sender.output.strip().splitlines()[-1][:240]}"
        site.accepted[answer.json()["id"]] = item["message"]
        site.platform.environment["KAFKA_PASSWORD"] = services.kafka.sasl_environment["KAFKA_PASSWORD"]
        sender.stop(60)
        site.platform.start_sender()
        yield f"with the right one: {delivered(site)}"


def channel_without_credentials(services: Services) -> Iterator[str]:
    with services.site() as site:
        del site.platform.environment["TWILIO_ACCOUNT_SID"]
        done = _ended(site, "run_sender", "--channels", "SMS")
        yield f"`run_sender --channels SMS` ends with {done.returncode}: {done.stderr.strip().splitlines()[-1]}"


def _ended(site: Site, *command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "manage.py", *command]
    environment = site.platform.environment
    return subprocess.run(
        arguments, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


OPERATIONS: dict[str, Callable[[Services], Iterator[str]]] = {
    "rolling restart": rolling_restart,
    "partitions 4 to 8": partitions_added,
    "topic deleted and made again": topic_made_again,
    "failover of the database": database_failover,
    "API key rotation": key_rotation,
    "SECRET_KEY rotation": secret_key_rotation,
    "HASH_KEY rotation": hash_key_rotation,
    "disk full": disk_full,
    "wrong password of Kafka": wrong_kafka_password,
    "a channel without credentials": channel_without_credentials,
}
