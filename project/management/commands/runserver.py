"""Starts Django's development server, with a notice that no sender runs."""

from __future__ import annotations

from django.contrib.staticfiles.management.commands.runserver import Command as Runserver

NOTICE = """
This is the web alone. What it accepts is sent as soon as a sender runs, in another terminal:
  manage.py run_sender
`make run` starts both.
"""


class Command(Runserver):
    def check_migrations(self) -> None:
        super().check_migrations()
        self.stdout.write(self.style.NOTICE(NOTICE))
