"""What Postmark's codes mean: https://postmarkapp.com/developer/api/overview#error-codes.

They come with status 422, as do those about a text. 300, 406 and their receivers are read by anymail.
"""

from __future__ import annotations

from notifications.channels.meanings import ACCOUNT_REFUSED, PROVIDER_FAILED, SENDER_REFUSED, WRONG_REQUEST, Meaning

CODES: dict[int, Meaning] = {
    100: PROVIDER_FAILED,  # maintenance
    400: SENDER_REFUSED,  # no such sender signature
    401: SENDER_REFUSED,  # not confirmed
    402: WRONG_REQUEST,  # invalid JSON
    403: WRONG_REQUEST,  # incompatible JSON
    405: ACCOUNT_REFUSED,  # out of credits
    409: WRONG_REQUEST,  # no JSON
    410: WRONG_REQUEST,  # too many at once
    412: ACCOUNT_REFUSED,  # pending approval
    413: ACCOUNT_REFUSED,  # may not send
}
