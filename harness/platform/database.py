"""Reads a platform's database from outside in plain SQL, and changes it for faults."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg2

Row = dict[str, Any]


def rows(url: str, statement: str) -> list[Row]:
    """Runs one statement and commits. Returns its rows by column name, or [] where it gives none."""
    with closing(_connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        columns = [column[0] for column in cursor.description or ()]
        found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()] if columns else []
        connection.commit()
        return found


def _connect(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(parts.path, timeout=20)
    return psycopg2.connect(url)
