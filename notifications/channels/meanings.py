"""What a provider's codes can mean. Each channel's table of codes is made of these."""

from __future__ import annotations

from typing import NamedTuple

from notifications.channels.outcomes import About, Bounce, Cause, SendError


class Meaning(NamedTuple):
    """What a code means for a send. Only a meaning about the receiver or the text may be permanent.

    `policy` marks a refusal by a rule, which may be against this send or against us. `bounce` is for meanings that
    are about the address itself beyond any doubt: it is suppressed.
    """

    cause: Cause
    about: About
    permanent: bool = False
    uncertain: bool = False
    policy: bool = False
    bounce: Bounce | None = None

    def error(self, detail: str, retry_after: float | None = None) -> SendError:
        """Returns the error to raise. `retry_after` is in seconds, where the provider named some."""
        return SendError(
            self.cause,
            detail,
            about=self.about,
            permanent=self.permanent,
            uncertain=self.uncertain,
            retry_after=None if self.permanent or self.uncertain else retry_after,
            bounce=self.bounce,
        )


INVALID_RECEIVER = Meaning(Cause.INVALID_RECEIVER, About.RECEIVER, permanent=True)
UNKNOWN_RECEIVER = Meaning(Cause.UNKNOWN_RECEIVER, About.RECEIVER, permanent=True)
NOBODY_THERE = UNKNOWN_RECEIVER._replace(bounce=Bounce.HARD)
GONE = UNKNOWN_RECEIVER._replace(bounce=Bounce.GONE)
OPTED_OUT = Meaning(Cause.OPTED_OUT, About.RECEIVER, permanent=True)
STOPPED = OPTED_OUT._replace(bounce=Bounce.STOP)
UNREACHED = Meaning(Cause.PROVIDER_ERROR, About.RECEIVER)  # this receiver cannot be reached at the moment
SOFT_BOUNCE = UNREACHED._replace(bounce=Bounce.SOFT)
BARRED = Meaning(Cause.CREDENTIALS, About.RECEIVER)  # our account may not reach this receiver, others it may
REJECTED_TEXT = Meaning(Cause.REJECTED_CONTENT, About.TEXT, permanent=True)
SENDER_REFUSED = Meaning(Cause.CREDENTIALS, About.SENDER)
ACCOUNT_REFUSED = Meaning(Cause.CREDENTIALS, About.ACCOUNT)
WRONG_REQUEST = Meaning(Cause.PROVIDER_ERROR, About.ACCOUNT)  # how we ask is wrong, whatever we send
RECEIVER_THROTTLED = Meaning(Cause.THROTTLED, About.RECEIVER)
SENDER_THROTTLED = Meaning(Cause.THROTTLED, About.SENDER)
ACCOUNT_THROTTLED = Meaning(Cause.THROTTLED, About.ACCOUNT)
PROVIDER_FAILED = Meaning(Cause.PROVIDER_ERROR, About.PROVIDER)
NOT_RECEIVED = Meaning(Cause.CONNECTION, About.PROVIDER)  # our request did not arrive whole
UNCERTAIN = Meaning(Cause.OUTCOME_UNKNOWN, About.PROVIDER, uncertain=True)
