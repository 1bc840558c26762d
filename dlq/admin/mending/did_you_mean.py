"""Asks "did you mean gmail.com?" on the page of a letter, and names the mistyped domains on the page of a problem."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from dlq.admin.finding.hits import sees_letters
from dlq.admin.mending.mend_pages import MEND_RIGHTS
from dlq.mending.frequent import mistyped_domains
from dlq.mending.mistypings import meant_domain
from dlq.models import DeadLetter
from dlq.selection import Selection
from dlq.verbs import REPLAYABLE
from notifications.channels import domain_of
from notifications.models import Notification
from project.database.dialects import bounded_reading
from project.desk.rights import Right, may
from project.desk.sight import Sight


def did_you_mean(
    request: HttpRequest, notification: Notification | None, letter: DeadLetter | None, sight: Sight
) -> dict[str, str]:
    """Returns the domain that was probably meant for this open letter, and the pages that correct it; {} for none.

    Nobody may correct a receiver of a sensitive category. A domain may stand in an address of ours, the address of a
    person may not.
    """
    if notification is None or letter is None or letter.state != DeadLetter.State.OPEN:
        return {}
    domain = domain_of(notification.channel, notification.receiver)
    meant = meant_domain(domain) if notification.status in REPLAYABLE else ""
    if not meant:
        return {}
    one = f"{reverse('admin:dlq_deadletter_redirect', args=[letter.pk])}?suggested=1"
    may_be = sees_letters(request) and not sight.is_sensitive(notification.category)
    return {
        "domain": domain,
        "meant": meant,
        "one": one if may_be and may(request, Right.REDIRECT) else "",
        "many": correction_page(domain, meant) if may_be and may_mend(request) else "",
    }


def mistyped_in(request: HttpRequest, problem: int) -> list[tuple[str, str, int, str]]:
    """Returns the mistyped domains among the open letters of a problem: (domain, meant, letters, page or "")."""
    with bounded_reading():
        found = mistyped_domains(Selection(problem=problem))
    mends = may_mend(request)
    return [
        (each.domain, each.meant, each.letters, correction_page(each.domain, each.meant, problem=problem) * mends)
        for each in found
    ]


def correction_page(domain: str, meant: str, **where: Any) -> str:
    """Returns the address of the question that corrects this domain in all open letters, or in those of a filter."""
    return f"{reverse('admin:dlq_mend_ask')}?{urlencode({**where, 'old': domain, 'new': meant})}"


def may_mend(request: HttpRequest) -> bool:
    """Returns True where this person may open the pages that correct many letters."""
    return sees_letters(request) and may(request, *MEND_RIGHTS)
