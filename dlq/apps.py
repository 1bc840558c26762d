from __future__ import annotations

from django.apps import AppConfig


class DlqConfig(AppConfig):
    name = "dlq"
    verbose_name = "Dead letters"

    def ready(self) -> None:
        """Register what happens to letters when the ledger settles rows; notifications never imports dlq."""
        from dlq import letters

        letters.register()
