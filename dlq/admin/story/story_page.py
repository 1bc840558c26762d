"""The one page of every notification, whatever its status, and of every dead letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from dlq.admin.finding.hits import may_see, sees_letters
from dlq.admin.mending.did_you_mean import did_you_mean
from dlq.admin.story.story import Rows, story_of
from dlq.admin.story.story_buttons import buttons
from dlq.models import DeadLetter, DeadLetterEvent, Problem
from dlq.repair import raw_text
from dlq.story.advice import advise
from dlq.story.customer import answer_for, languages
from dlq.story.explanations import explain
from dlq.story.outages import Health, health, turns
from dlq.story.sentences import answer, next_step
from dlq.story.situation import Situation, State, situation_of
from dlq.verbs import target
from notifications.channels import channel_in_words
from notifications.ledger.pauses.telling import in_a_sentence, pause_of
from notifications.messages.words import Is, LetterEvent, Reason, Status, statuses
from notifications.models import REMOVED, Attempt, Digest, Notification, Receipt, StaffAction
from project.desk.audit import printed
from project.desk.base import ReadOnlyAdmin
from project.desk.in_words import in_words
from project.desk.links import page_url, person_url
from project.desk.marks import mark_when_rendered
from project.desk.sight import Content, Sight, sight_of
from users.people.models import User

MOST_ROWS = 100  # attempts, staff actions, deaths and receipts that a page shows, the newest ones
MOST_TEXT = 20_000  # characters of a text
UNFOLDED = 600  # characters of a text that stands unfolded
LABELS = {State.OPEN: "danger", State.REPLAYING: "info", State.RESOLVED: "success"}


def story_page(
    desk: ReadOnlyAdmin[Any], request: HttpRequest, notification: Notification | None, letter: DeadLetter | None
) -> TemplateResponse:
    """Returns the page of a notification, of its dead letter, or of both. One of them may be None.

    The number of queries is small and the same for every story. Of the letter, `run` and `problem` are read with it.
    """
    now, sight = timezone.now(), sight_of(request)
    rows = _rows(notification, letter)
    situation = _situation(rows, sight, now)
    advice = advise(situation)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "original": letter if letter and sees_letters(request) else notification,
        "title": f"Dead letter {letter.pk}" if letter else f"Notification {notification}",
        "notification": notification,
        "letter": letter,
        "address": request.build_absolute_uri(request.path),
        "label": _label(rows),
        "answer": answer(situation),
        "why": _why(rows, situation, sight),
        "meant": did_you_mean(request, notification, letter, sight),
        "advice": advice.text,
        **buttons(request, rows, sight, advice),
        "customer": _customer(request, rows, situation, sight),
        "story": story_of(rows, sight, now),
        "zone": f"{timezone.localtime(now):%Z}",
        "next_step": next_step(situation),
        **_contents(request, rows, sight),
        "person_page": _person_page(request, notification),
        "about": _about(rows, situation),
        "technique": _technique(rows),
        "opens_both": sees_letters(request) and may_see(request, "notifications", "notification"),
        "links": _links(request, rows),
    }
    request.current_app = desk.admin_site.name
    return mark_when_rendered(TemplateResponse(request, "dlq/story.html", context))


def _situation(rows: Rows, sight: Sight, now: datetime) -> Situation:
    """Returns the situation, with three queries more where it matters whether the channel works now.

    A person's own words can have the receiver in them.
    """
    channel = health(_channel(rows)) if _is_under_way(rows) else Health(served=True, out_since=None)
    found = situation_of(
        rows.notification,
        rows.letter,
        now=now,
        actions=rows.actions,
        tries=len(rows.attempts),
        out_since=channel.out_since,
        served=channel.served,
    )
    if rows.digest and found.status == Status.WAITING and found.reason == Reason.DIGEST:
        found = replace(found, digest=rows.digest.state, due_at=found.due_at and rows.digest.closes_at)
    receivers = [rows.notification.receiver] if rows.notification else []
    if found.why:
        found = replace(found, why=sight.answer(found.why, *receivers))
    if rows.notification and _is_under_way(rows) and (pause := pause_of(rows.notification)):
        words = in_a_sentence(pause, now, sight.answer(pause.reason, *receivers))
        found = replace(found, paused=words, paused_until=pause.until)
    return found


def _contents(request: HttpRequest, rows: Rows, sight: Sight) -> dict[str, Any]:
    """Returns to whom it goes and what it says, as this person may see it, or how they can ask for it."""
    row, letter = rows.notification, rows.letter
    found: dict[str, Any] = {"channel": channel_in_words(_channel(rows))}
    if row is None:
        return found | {"raw": _raw(letter, sight) if letter else ""}
    opens = may_see(request, "notifications", "notification")  # and so the page that asks why
    may_ask = opens and sight.asks and not sight.receivers and not row.texts_removed
    return found | {
        "receiver": sight.receiver(row),
        "person": sight.person(row.user),
        "content": _bounded(sight.content(row)),
        "reveal": page_url("notifications_notification_reveal", row.pk, "content") if opens else "",
        "reveal_receiver": page_url("notifications_notification_reveal", row.pk, "receiver") if may_ask else "",
        "find": page_url("desk_find") if row.user and sight.receivers and not row.texts_removed else "",
    }


def _rows(notification: Notification | None, letter: DeadLetter | None) -> Rows:
    """Reads what the story is made of, with at most five queries."""
    about = Q(target=target(letter.pk)) if letter else Q()
    if notification is None:
        return Rows(notification=None, letter=letter, actions=_newest(StaffAction.objects.filter(about)))
    about |= Q(notification_id=notification.pk)
    deaths = DeadLetterEvent.objects.filter(notification_id=notification.pk, event=LetterEvent.DEAD)
    return Rows(
        notification=notification,
        letter=letter,
        attempts=_newest(Attempt.objects.filter(notification=notification), "-number"),
        actions=_newest(StaffAction.objects.filter(about)),
        deaths=_newest(deaths) if letter else (),
        digest=Digest.objects.filter(pk=notification.digest_id).first() if notification.digest_id else None,
        receipts=_newest(Receipt.objects.filter(notification_id=notification.pk)),
        turns=turns(notification.channel, notification.accepted_at, notification.settled_at or timezone.now()),
    )


def _newest(rows: Any, order: str = "-id") -> list[Any]:
    return list(rows.order_by(order)[:MOST_ROWS])


def _channel(rows: Rows) -> str:
    return rows.notification.channel if rows.notification else rows.letter.channel if rows.letter else ""


def _is_under_way(rows: Rows) -> bool:
    """Returns True where it matters whether the channel works now."""
    if rows.notification is None:
        return False
    is_open = rows.letter is not None and rows.letter.state == State.OPEN
    return is_open or rows.notification.status not in statuses(Is.FINAL)


def _label(rows: Rows) -> tuple[str, str]:
    """Returns the word beside the receiver, and its colour."""
    if rows.letter:
        return in_words("state", rows.letter.state), LABELS.get(State(rows.letter.state), "")
    status = rows.notification.status if rows.notification else ""
    return (in_words("status", status), Status(status).tone) if status else ("", "")


def _why(rows: Rows, situation: Situation, sight: Sight) -> dict[str, str]:
    """Returns what the cause means, and the words of the provider; nothing where the cause is not of today's state."""
    if situation.status in (Status.SENT, Status.SENDING) or situation.corrected_at or not situation.cause:
        return {}
    row, letter = rows.notification, rows.letter
    words = row.last_error if row else letter.error if letter else ""
    return {
        "means": "" if situation.state == State.RESOLVED else explain(situation.cause).why,
        "words": sight.answer(words, *([row.receiver] if row else [])) if words else "",
        "whose": "The last answer" if row else "The error",
    }


def _customer(request: HttpRequest, rows: Rows, situation: Situation, sight: Sight) -> dict[str, Any] | None:
    """Returns the text to copy, and the languages there are."""
    row = rows.notification
    if row is None:
        return None
    asked = request.GET.get("language", "")
    language = asked if asked in languages() else settings.ANSWER_LANGUAGE
    text = answer_for(
        situation,
        language,
        zone=timezone.get_default_timezone(),
        name=_name(row.user) if row.user and sight.receivers else "",
        subject=sight.content(row).subject,
    )
    return {"text": text, "language": language, "languages": languages().items()}


def _name(username: str) -> str:
    """Returns the name of a person of the directory, "" where they have none."""
    return User.objects.filter(username=username).values_list("name", flat=True).first() or ""


def _bounded(content: Content) -> Content:
    return replace(content, message=_cut(content.message), html=_cut(content.html))


def _cut(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}…\n\n(These are the first {MOST_TEXT:,} of {len(text):,} characters.)"


def _raw(letter: DeadLetter, sight: Sight) -> str:
    if letter.raw is None:
        return REMOVED
    raw = bytes(letter.raw)
    return _cut(raw_text(letter)) if sight.raw(raw) else f"(hidden, {len(raw):,} bytes: a secret can be in it)"


def _about(rows: Rows, situation: Situation) -> list[tuple[str, str, bool]]:
    """Returns the facts that staff ask for: name, value, and whether it is past."""
    row, letter = rows.notification, rows.letter
    if row is None:
        return []
    past = situation.has_expired
    facts = [
        ("Category", row.category, False),
        ("Reference", row.reference, False),
        ("Accepted", printed(row.accepted_at), False),
        ("Scheduled for", printed(row.send_at, none=""), False),
        ("Expired" if past else "Expires", printed(row.expires_at, none=""), past),
        ("Digest of", _members(rows), False),
        ("Times it died", f"{letter.deaths:,}" if letter and letter.deaths > 1 else "", False),
    ]
    return [fact for fact in facts if fact[1]]


def _members(rows: Rows) -> str:
    """Returns how many notifications a digest has, "" for any other notification."""
    row, digest = rows.notification, rows.digest
    if row is None or digest is None or digest.notification_id != row.pk:
        return ""
    return f"{Notification.objects.filter(digest_id=digest.pk).exclude(pk=row.pk).count():,} notifications"


def _technique(rows: Rows) -> list[tuple[str, Any]]:
    row, letter = rows.notification, rows.letter
    facts: list[tuple[str, Any]] = []
    place = (row.topic, row.partition, row.offset) if row else ("", None, None)
    if row:
        facts += [
            ("Client", row.client),
            ("Priority", row.priority),
            ("Status", f"{row.status} ({row.reason})" if row.reason else row.status),
            ("Last cause", row.last_cause),
            ("Settled", printed(row.settled_at, none="")),
            ("Put off since", printed(row.deferred_since, none="")),
            ("Provider", row.provider),
            ("Provider's id", row.provider_message_id),
            ("Claims", row.claims),
            ("Retries spent", row.attempts),
            ("Unknown outcomes", row.uncertain_count),
            ("Replays (generation)", row.generation),
            ("Trace", row.trace_id),
        ]
    if letter:
        place = place if place[0] else (letter.topic, letter.partition, letter.offset)
        facts += [("Dead letter", letter.pk), ("Cause", letter.cause), ("Changed", printed(letter.changed_at))]
    if place[0]:
        facts.append(("Kafka", f"{place[0]}, partition {place[1]}, offset {place[2]}"))
    return [(name, value) for name, value in facts if value not in ("", None)]


def _person_page(request: HttpRequest, row: Notification | None) -> str:
    """Returns the address of the page of everything sent to this person, or to this receiver; "" without the right."""
    if row is None or not request.user.has_perm("notifications.view_notification"):
        return ""
    return person_url(row.user, notification=row.pk)


def _links(request: HttpRequest, rows: Rows) -> list[tuple[str, str]]:
    """Returns the pages that belong to this one, as far as there are such pages and this person may open them."""
    has = request.user.has_perm
    letter, digest = rows.letter, rows.digest
    links: list[tuple[str, str]] = []
    others = digest and digest.notification_id not in (None, rows.notification and rows.notification.pk)
    if digest and others and has("notifications.view_notification"):
        links.append(("The digest it is in", page_url("notifications_notification_change", digest.notification_id)))
    if letter and letter.problem and has("dlq.view_problem"):
        links.append(("All of this problem", page_url("dlq_problem_change", letter.problem.pk)))
    if letter and letter.problem and has("dlq.view_deadletter"):
        links += _neighbours(letter, letter.problem)
    if letter and letter.run_id and has("dlq.view_run"):
        links.append((f"Run {letter.run_id}", page_url("dlq_run_change", letter.run_id)))
    return [(words, url) for words, url in links if url]


def _neighbours(letter: DeadLetter, problem: Problem) -> list[tuple[str, str]]:
    """Returns the letters before and after this one in its problem that are in the same state, with two queries."""
    same = DeadLetter.objects.filter(problem=problem, state=letter.state)
    before = same.filter(pk__lt=letter.pk).order_by("-pk").values_list("pk", flat=True).first()
    after = same.filter(pk__gt=letter.pk).order_by("pk").values_list("pk", flat=True).first()
    found = (("Previous of this problem", before), ("Next of this problem", after))
    return [(words, page_url("dlq_deadletter_change", pk)) for words, pk in found if pk]
