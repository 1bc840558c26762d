"""The embedded default's settings on PostgreSQL, so that the same tests run on both databases."""

from __future__ import annotations

from pathlib import Path

from project import environment as env
from project import settings as embedded

globals().update({name: getattr(embedded, name) for name in dir(embedded) if name.isupper()})
DATABASES = {"default": env.database("TEST_DATABASE_URL", Path("unused"))}
