"""`python -m tests.operations`: what an operator does by hand, done under traffic, with what came of it.

Each line that is printed is a row of the table in docs/operations.md. Needs PostgreSQL, Java, Maven, and root for
the disk that fills. Names as arguments do these alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from tests.operations.by_hand import OPERATIONS
from tests.operations.fleet import Services


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(OPERATIONS)}; default: all")
    names = parser.parse_args().names or list(OPERATIONS)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ntf-operations-")))
        postgres, kafka = stack.enter_context(Postgres()), stack.enter_context(Kafka())
        services = Services(directory, postgres, kafka)
        for name in names:
            sys.stdout.write(f"| {name} | {'. '.join(OPERATIONS[name](services))} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
