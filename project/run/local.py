"""`make run`: prepares what it may, starts web and sender, and prints their addresses.

In the embedded default it prepares the database and a demo login. Where DATABASE_URL or KAFKA_BOOTSTRAP_SERVERS is set
it changes nothing there, and prints the commands that are still to be run.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import sys
import time
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from notifications.channels import channel_names, configured_providers
from notifications.channels.base import NotConfigured
from project import environment as env
from project.database.refusals import reason
from project.run import running
from project.run.supervisor import GRACE, TICK, Child, Signals, say, supervise

BASE_DIR = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
# A thread for each connection: see project/places.py. HTTP/2 would carry many requests in one.
WEB_OPTIONS = ("--no-ws", "--http", "1", "--backpressure", "512", "--blocking-threads", "512")
NEW_KEY = "create_api_key NAME --client CLIENT --scope send --scope read"
EXAMPLE = '{"type": "EMAIL", "message": "Hello World", "receiver": "test@gmail.com"}'


def main() -> None:
    signals = Signals()
    port, directory = running.port_and_directory()
    _stop_if_port_is_in_use(port)
    mark = running.mark(env.made("VAR_DIR", directory), port)
    for other in running.others(directory, port):
        say(f"Another make run has this VAR_DIR, on port {other}: both show and send the same notifications.")
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    os.chdir(BASE_DIR)
    django.setup()
    say("Preparing …")
    call_command("collectstatic", verbosity=0, interactive=False)
    demo = env.boolean("DEMO", default=False)
    if demo and not settings.EMBEDDED:
        sys.exit("DEMO is for the embedded default. For an empty database of yours: manage.py seed_demo")
    announcement = _prepare_embedded(port, settings.VAR_DIR, demo) if settings.EMBEDDED else _say_what_is_missing(port)
    connections.close_all()
    children = [Child("web", _web_command(port)), Child("sender", _sender_command())]
    with mark:
        supervise(children, signals, _Announcer(port, announcement).announce_once)


class _Announcer:
    """Prints the announcement as soon as the web answers."""

    def __init__(self, port: int, announcement: str) -> None:
        self._port = port
        self._announcement = announcement
        self._done = False

    def announce_once(self) -> None:
        if not self._done and _answers(self._port):
            self._done = True
            say(self._announcement)


def _stop_if_port_is_in_use(port: int) -> None:
    """Exits where something listens on the port. Waits three seconds for what a killed run left behind."""
    deadline = time.monotonic() + 3
    while (problem := _bind_problem(port)) and time.monotonic() < deadline:
        time.sleep(TICK)
    if problem:
        sys.exit(f"PORT {port} cannot be used: {problem}. Another one can: make run PORT={port % 65_535 + 1}")


def _bind_problem(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return str(error.strerror)
    return None


def _web_command(port: int) -> list[str]:
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port)]
    return [*granian, *WEB_OPTIONS, "--log-level", "error", "project.wsgi:application"]


def _sender_command() -> list[str]:
    """Returns the command of a sender that drains for a second less than the supervisor waits."""
    return [sys.executable, "manage.py", "run_sender", "--drain", f"{GRACE - 1:g}"]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=0.5)
    try:
        connection.request("GET", "/health/live")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _prepare_embedded(port: int, directory: Path, demo: bool) -> str:
    """Migrates, fills an empty database where a demo is wanted, and makes the demo login. Returns the announcement."""
    stop_where_the_database_is_newer(directory)
    call_command("migrate", verbosity=0, interactive=False)
    if demo:
        _fill_with_demo()
    login = _demo_login(directory / "demo_password")
    return f"""
{_urls(port)}
  Login    {login}

  {what_is_sent()} Try it:

  {_curl(port)}

  Ctrl-C ends everything.
"""


def stop_where_the_database_is_newer(directory: Path) -> None:
    """Exits where a newer version has changed the database: this one would write rows that lack something there."""
    loader = MigrationExecutor(connection).loader
    unknown = sorted(loader.applied_migrations.keys() - loader.disk_migrations.keys())
    ours = [f"{app}.{name}" for app, name in unknown if app in ("notifications", "users", "dlq")]
    if ours:
        sys.exit(
            f"A newer version has changed the database in {directory}: this one does not know {', '.join(ours)}. "
            "Go on with that version, or begin in another directory: make run VAR_DIR=…"
        )


def _fill_with_demo() -> None:
    """Fills an empty database. Says so where it is not empty, such as at a second start."""
    try:
        call_command("seed_demo")
    except CommandError as error:
        say(str(error))


def what_is_sent() -> str:
    """Returns a sentence that says which channels really send, and which have the sandbox as their provider."""
    real = [name for name in channel_names() if _really_sends(name)]
    rest = [name for name in channel_names() if name not in real]
    if not real:
        return f"Nothing is really sent: {_listed(rest)} go to the sandbox, which the admin shows."
    if not rest:
        return f"{_listed(real)} are really sent."
    verbs = ("is" if len(real) == 1 else "are"), ("goes" if len(rest) == 1 else "go")
    return f"{_listed(real)} {verbs[0]} really sent; {_listed(rest)} {verbs[1]} to the sandbox, which the admin shows."


def _really_sends(channel: str) -> bool:
    try:
        return bool(configured_providers(channel))
    except NotConfigured:
        return False
    except ImproperlyConfigured as error:
        sys.exit(str(error))


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _demo_login(file: Path) -> str:
    """A staff login for a first look, made once; how to log in."""
    password, is_new = _kept_password(file)
    user, created = get_user_model().objects.get_or_create(
        username="demo", defaults={"is_staff": True, "is_superuser": True, "first_name": "Demo"}
    )
    if created or is_new:
        user.set_password(password)
        user.save(update_fields=["password"])
    return f"demo, password {password}" if user.check_password(password) else "demo, with the password you gave it"


def _kept_password(file: Path) -> tuple[str, bool]:
    """Returns the password in the file, and True where it was made just now."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(9))
    except FileExistsError:
        return file.read_text(), False
    return file.read_text(), True


def _say_what_is_missing(port: int) -> str:
    """Prints the commands that are still to be run on the services of the environment. Returns the announcement."""
    missing = _commands_to_run()
    if missing:
        say("Nothing is changed in your services. Still to be run, where it was not yet:")
        say("".join(f"\n  .venv/bin/python manage.py {command}" for command in missing) + "\n")
    return f"""
{_urls(port)}

  {_curl(port)} \\
    --header "Authorization: Bearer $API_KEY"

  Ctrl-C ends everything.
"""


def _commands_to_run() -> list[str]:
    """Returns the commands of a first installation that this database and these settings still lack."""
    topics = ["create_topics"] if settings.KAFKA_BOOTSTRAP_SERVERS else []
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return ["migrate", *topics, NEW_KEY, "createsuperuser"]
        has_key = apps.get_model("users", "ApiKey").objects.filter(revoked_at=None).exists()
        has_staff = get_user_model().objects.filter(is_staff=True, is_active=True).exists()
    except (DatabaseError, InterfaceError) as error:
        say(f"The database of DATABASE_URL cannot be used. {reason(error)}")
        return ["migrate", *topics, NEW_KEY, "createsuperuser"]
    return topics + [NEW_KEY] * (not has_key) + ["createsuperuser"] * (not has_staff)


def _urls(port: int) -> str:
    return f"""  API      http://{HOST}:{port}/docs
  Admin    http://{HOST}:{port}/admin/"""


def _curl(port: int) -> str:
    return f"""curl --request POST 'http://localhost:{port}/notification' \\
    --header 'Content-Type: application/json' \\
    --data-raw '{EXAMPLE}'"""


if __name__ == "__main__":
    main()
