#!/usr/bin/env python
"""Django's command line."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import Error as DatabaseProblem

from project import VERSION
from project.database.refusals import is_outage, reason


def main() -> None:
    """Runs the command, or prints the version.

    A database that cannot be used ends it with one sentence, whichever command it is.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if "--version" in sys.argv or sys.argv[1:] == ["version"]:  # else Django would print its own
        sys.stdout.write(f"{VERSION}\n")
        return
    try:
        execute_from_command_line(sys.argv)
    except DatabaseProblem as error:
        if not is_outage(error):
            raise
        place = f"{settings.DATABASES['default']['NAME']} (in VAR_DIR)" if settings.EMBEDDED else "of DATABASE_URL"
        sys.exit(f"The database {place} cannot be used. {reason(error)}")


if __name__ == "__main__":
    main()
