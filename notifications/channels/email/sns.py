"""Amazon's notification service (SNS), by which SES reports on mails: its signature, and its first question.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html describes both. Nothing is fetched but
from Amazon, and only for a caller who has the webhook secret.
"""

from __future__ import annotations

import re
from base64 import b64decode
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate
from django.utils import timezone

from notifications.channels.outcomes import SendError
from notifications.channels.receipts import Forged, Refused
from notifications.channels.transport.blocking import BlockingHttp

HOST = r"https://sns\.[a-z0-9-]{1,32}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE = re.compile(rf"{HOST}/SimpleNotificationService-[0-9a-f]{{1,64}}\.pem")
CONFIRMATION = re.compile(rf"{HOST}/\?Action=ConfirmSubscription&[A-Za-z0-9%&=:._-]{{1,2000}}")
SECONDS = 5.0  # for Amazon to answer
HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}  # by the version of Amazon's signature
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]


class Envelope(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A message of SNS, as far as it is signed or says how."""

    type: str
    message: str
    message_id: str
    timestamp: str
    topic_arn: str
    signature: str
    signature_version: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


def is_notification(body: bytes) -> bool:
    """Returns whether a message reports on mails. One that asks whether it may report to us is answered: yes.

    Raises Refused, and Forged for what Amazon has not signed.
    """
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused from error
    _check(envelope)
    if envelope.type == "SubscriptionConfirmation":
        _get(CONFIRMATION, envelope.subscribe_url or "")
    return envelope.type == "Notification"


def _check(envelope: Envelope) -> None:
    algorithm = HASHES.get(envelope.signature_version)
    if envelope.type not in SIGNED or algorithm is None:
        raise Forged
    key = _key(envelope.signing_cert_url)
    try:
        key.verify(b64decode(envelope.signature), _signed(envelope), PKCS1v15(), algorithm())
    except (InvalidSignature, ValueError) as error:
        raise Forged from error


def _signed(envelope: Envelope) -> bytes:
    """Returns the bytes that are signed: names and values, each on a line of its own. A field that is null is not."""
    fields = msgspec.to_builtins(envelope)
    lines = (f"{name}\n{fields[name]}\n" for name in SIGNED[envelope.type] if fields.get(name) is not None)
    return "".join(lines).encode()


@lru_cache(maxsize=8)
def _key(url: str) -> RSAPublicKey:
    """Returns the key of one of Amazon's certificates. TLS says that it comes from Amazon. Raises Refused."""
    try:
        certificate = load_pem_x509_certificate(_get(CERTIFICATE, url))
    except ValueError as error:
        raise Refused("The certificate of the signature cannot be read.") from error
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or certificate.not_valid_after_utc < timezone.now():
        raise Forged
    return key


def _get(allowed: re.Pattern[str], url: str) -> bytes:
    """Returns what stands there, where this is a URL of Amazon's. Raises Refused."""
    if not allowed.fullmatch(url):
        raise Forged
    http = BlockingHttp(SECONDS)
    try:
        answer = http.get(url, {})
    except SendError as error:
        raise Unreachable from error
    finally:
        http.close()
    if answer.status != 200:
        raise Unreachable
    return answer.body


class Unreachable(Refused):
    """Amazon could not be asked, so that nothing can be checked. It calls again after a 503."""

    status = 503
    code = "unavailable"

    def __init__(self) -> None:
        super().__init__("Amazon cannot be reached.")
