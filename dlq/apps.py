from __future__ import annotations

from django.apps import AppConfig


class DlqConfig(AppConfig):
    name = "dlq"
    verbose_name = "Dead letters"

    def ready(self) -> None:
        """Hooks the dead letters into the ledger, which never imports dlq itself."""
        from dlq import letters

        letters.register()
