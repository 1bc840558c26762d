"""What each cause means to support staff, and what they can do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from notifications.channels.outcomes import Cause


class Step(StrEnum):
    """What staff can do with a notification: a button of its page."""

    REPLAY = "replay"
    REDIRECT = "redirect"  # another receiver
    EDIT = "edit"  # another text
    DISCARD = "discard"
    MARK_SENT = "mark-sent"
    CORRECT = "correct"  # a record that could not be read
    TRY_NOW = "try-now"


class Explanation(NamedTuple):
    """`why` answers why the notification died; `what_to_do` is the next step for staff, and `step` its button.

    `clause` says `why` in a few words, to stand after "because" or a colon.
    """

    clause: str
    why: str
    what_to_do: str
    step: Step


EXPLANATIONS: dict[Cause, Explanation] = {
    Cause.INVALID_RECEIVER: Explanation(
        "the provider does not take this for an address",
        "The provider says that this is not an address at all.",
        "Correct the receiver and replay. If the main application sent it wrongly, correct it there too.",
        Step.REDIRECT,
    ),
    Cause.UNKNOWN_RECEIVER: Explanation(
        "the provider knows nobody at this address",
        "The address is well formed, but the provider knows nobody there: a closed mailbox, a removed Slack "
        "channel or webhook, a number out of service.",
        "Ask for the current address, correct the receiver and replay; or discard.",
        Step.REDIRECT,
    ),
    Cause.MAILBOX_FULL: Explanation(
        "the mailbox was full",
        "The receiver's mailbox was full, and stayed so for as long as we keep waiting.",
        "Try again tomorrow: replay it then. If it is urgent, reach the person another way.",
        Step.REPLAY,
    ),
    Cause.REJECTED_CONTENT: Explanation(
        "the provider refused the text",
        "The provider refused the text itself: too long for it, a forbidden format, or taken for spam.",
        "Read the provider's answer, correct the text and replay.",
        Step.EDIT,
    ),
    Cause.OPTED_OUT: Explanation(
        "the receiver has asked not to be contacted any more",
        "The receiver asked the provider not to be contacted any more.",
        "Respect that: discard, and reach the person another way. The provider takes nothing for them until they opt "
        "in again.",
        Step.DISCARD,
    ),
    Cause.THROTTLED: Explanation(
        "the provider asked us to slow down",
        "The provider kept asking us to slow down until no time was left.",
        "Wait until the rate has fallen, then replay. If it keeps happening, ask the provider for a higher limit.",
        Step.REPLAY,
    ),
    Cause.CREDENTIALS: Explanation(
        "the provider refused our own account",
        "The provider refused our own account: a wrong, expired or withdrawn password, token or key.",
        "Tell whoever runs the senders to renew the credentials. Then replay everything with this cause at once.",
        Step.REPLAY,
    ),
    Cause.PROVIDER_ERROR: Explanation(
        "the provider had an error of its own",
        "The provider answered with an error of its own at every attempt.",
        "Look at the provider's status page. Replay when it works again.",
        Step.REPLAY,
    ),
    Cause.PROVIDER_OUTAGE: Explanation(
        "the provider was out of order",
        "The provider was out of order for longer than we keep waiting.",
        "Replay everything with this cause when the provider is back; discard what is out of date by then.",
        Step.REPLAY,
    ),
    Cause.CONNECTION: Explanation(
        "we could not reach the provider",
        "We could not reach the provider at any attempt: no connection, no name, or a broken TLS handshake.",
        "Have the network, the firewall and the provider's address checked, then replay.",
        Step.REPLAY,
    ),
    Cause.TIMEOUT: Explanation(
        "the provider did not answer in time",
        "The provider did not answer in time at any attempt.",
        "Look at the provider's status page, then replay. The receiver may have got a copy already.",
        Step.REPLAY,
    ),
    Cause.OUTCOME_UNKNOWN: Explanation(
        "the answer of the provider was lost",
        "It was handed to the provider, but the answer was lost. It may have arrived, or not.",
        "Find out with the provider or the receiver. If it arrived, mark it as sent; if not, replay. "
        "A replay of one that arrived is a duplicate.",
        Step.REPLAY,
    ),
    Cause.LEASE_EXPIRED: Explanation(
        "the sender stopped in the middle of it",
        "The sender that worked on it stopped in the middle, so nobody knows whether it went out.",
        "Find out whether it arrived. If it did, mark it as sent or discard; if not, replay.",
        Step.REPLAY,
    ),
    Cause.UNDECODABLE: Explanation(
        "the record could not be read",
        "The record in Kafka could not be read as a notification: something else than our intake wrote it, or a "
        "newer version did.",
        "Correct the text below and send it as a new notification, or discard it. Then find who writes such records.",
        Step.CORRECT,
    ),
    Cause.REFUSED_BY_DATABASE: Explanation(
        "the database could not store the record",
        "The record could be read, but the database could not store it: a forbidden character or a value out of range.",
        "Correct the value that the error names and send it as a new notification, or discard it.",
        Step.CORRECT,
    ),
    Cause.REFUSED_BY_KAFKA: Explanation(
        "Kafka does not take the record",
        "Kafka will not take the record: it is larger than its topic allows, or the topic's rules forbid it.",
        "Have whoever runs Kafka compare the error with the topic's settings (manage.py create_topics raises the size "
        "that it allows). Replay once that is mended; or shorten the text and replay.",
        Step.REPLAY,
    ),
    Cause.BUG: Explanation(
        "our own code failed",
        "Our own code failed while sending this. It is not the receiver's fault, nor the provider's.",
        "Pass the error and the trace id on to the developers. Replay once it is mended.",
        Step.REPLAY,
    ),
}
UNKNOWN = Explanation(
    "it failed for a reason that we do not know",
    "The cause is not one we know.",
    "Read the provider's answer below, then replay or discard.",
    Step.REPLAY,
)


def explain(cause: str) -> Explanation:
    """Returns the explanation of a cause as it stands in the database; UNKNOWN for a word that is no cause."""
    try:
        return EXPLANATIONS[Cause(cause)]
    except ValueError:
        return UNKNOWN
