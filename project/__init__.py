"""The notification platform: what starts it, and what its parts share."""

from __future__ import annotations

VERSION = "1.1.0.dev0"  # the one place; a release is tagged with it (CONTRIBUTING.md)
