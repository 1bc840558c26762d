"""The token in the address of a person's own page: whom it is for, when it was made, and our signature.

It is the credential: whoever has it sees and changes what the person chose. So it ends after a time, and what was
signed with one of SECRET_KEY_FALLBACKS is still good.
"""

from __future__ import annotations

from datetime import timedelta

from django.core import signing

SALT = "users.recipients.own_page"
GOOD_FOR = timedelta(days=90)
LONGEST = 3_000  # characters; the longest username makes one of 2,500


def token_of(username: str) -> str:
    """Returns a new token: letters, digits, -, _ and two colons."""
    return signing.dumps(username, salt=SALT)


def read(token: str) -> str | None:
    """Returns whose page it is; None for a token that is not ours, or too old."""
    if len(token) > LONGEST:
        return None
    try:
        username = signing.loads(token, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    return username if isinstance(username, str) else None
