"""What an HTTP status means where a provider's own code does not say more, and how long an answer asks us to wait."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from notifications.channels.outcomes import About, Cause, SendError

MAX_RETRY_AFTER = 86_400.0  # seconds
LONGEST_DATE = 64  # characters of a Retry-After that are read


def status_error(
    status: int,
    detail: str,
    retry_after: float | None = None,
    *,
    limits: About = About.ACCOUNT,
    text_by_status: bool = True,
) -> SendError:
    """Returns the error for an HTTP status that is not a success, by the status alone.

    `limits` says whose a wait is that a 429 asks for. `text_by_status` is False for a provider that names what is
    wrong with a text by a code of its own: its 400 without a known code is no reason to give a notification up.
    """
    match status:
        case 429:
            return SendError(Cause.THROTTLED, detail, about=limits, retry_after=retry_after)
        case 401 | 402 | 403 | 407:
            # Not permanent: it is the account that is refused, not this notification.
            return SendError(Cause.CREDENTIALS, detail)
        case 504 | 524:  # the gateway (524: Cloudflare's) handed it on and lost the answer
            return SendError(Cause.TIMEOUT, detail, uncertain=True)
        case 400 | 413 | 422 if text_by_status:
            return SendError(Cause.REJECTED_CONTENT, detail, permanent=True)
    # RFC 9110 15.5: any other 4xx is about how we ask (the address, the method, the headers). A person can mend that.
    about = About.ACCOUNT if 400 <= status < 500 and status not in {408, 425} else About.PROVIDER
    return SendError(Cause.PROVIDER_ERROR, detail, about=about, retry_after=retry_after)


def retry_after(value: str | None) -> float | None:
    """Returns the seconds that a Retry-After header asks for, as a number or an HTTP date; None if it is unreadable."""
    if not value:
        return None
    value = value[:LONGEST_DATE].strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
