"""Runs a module of this package inside a platform: `python -m benchmarks.with_django publish SMS 8000`."""

from __future__ import annotations

import importlib
import os
import sys

import django

if __name__ == "__main__":
    django.setup()
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name}").main()
    sys.stdout.flush()
    os._exit(0)  # librdkafka's threads need not be waited for
