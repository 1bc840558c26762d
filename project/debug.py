"""What Django's error pages show with DEBUG: the traceback, and no setting."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class NoSettings(SafeExceptionReporterFilter):
    """Hides the value of every setting and variable, since URLs such as DATABASE_URL have passwords too."""

    hidden_settings = re.compile("")  # matches every name
