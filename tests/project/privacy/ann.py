"""Ann, whose history has everything that can happen to a person here; and Bob, who is somebody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from axes.models import AccessFailureLog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from dlq import verbs
from dlq.mending.corrections import Correction, Kind
from dlq.models import DeadLetter, DeadLetterEvent, Problem, Run
from dlq.repair import repair
from dlq.selection import Selection
from notifications.channels.outcomes import Cause, Outcome
from notifications.channels.receipts import Event, ReceiptType
from notifications.ledger.receipts import take
from notifications.messages.ids import receiver_hash
from notifications.messages.words import DigestState, LetterEvent, Status, SuppressedFor
from notifications.models import Attempt, Digest, Notification, Pause, SandboxMessage, StaffAction
from tests.caller import Api, json_of
from tests.desk import letter, logged_in, superuser, unreadable
from tests.dlq.mending import mended
from tests.notifications.rows import row
from users.people.models import User
from users.recipients.preferences import Changes, Source, change
from users.recipients.suppression import address_of, suppress

NAME, MAIL, PHONE = "ann-archer-4711", "Ann.Archer@example.com", "+4915112345678"
HOOK = "https://hooks.slack.com/services/T0ANN/B0ANN/AnnSecret"
FORMER, TEXT = "ann.before@example.net", "Dear Ann Archer"
DEVICES = [
    {"type": "EMAIL", "address": MAIL},
    {"type": "SMS", "address": PHONE},
    {"type": "SLACK", "address": HOOK},
]
WORDS = (NAME, MAIL, "15112345678", "T0ANN/B0ANN", "AnnSecret", FORMER, TEXT, "ann's order", "Ann Archer", "anmial")
CALLED = f"Ann Archer ({MAIL}, 0151 1234-5678) called"
SOON = datetime(2099, 1, 1, tzinfo=UTC)


def register(api: Api) -> None:
    """Puts her into the directory, and changes her devices there."""
    api.put(f"/users/{NAME}", {"name": "Ann Archer", "devices": DEVICES[:1]})
    api.put(f"/users/{NAME}", {"name": "Ann Archer", "devices": DEVICES})


def choose(api: Api) -> None:
    """Lets her choose something, and lets a reason for a choice of Bob's name her."""
    chosen = {"time_zone": "Europe/Berlin", "choices": [{"category": "default", "channel": "SMS", "choice": "off"}]}
    assert api.request("PATCH", f"/users/{NAME}/preferences", chosen).status_code == 200
    change("bob", Changes(time_zone="Europe/Paris"), actor="anna", source=Source.STAFF, reason=CALLED)


def live(api: Api) -> dict[str, Notification]:
    """Makes all of it. Returns Ann's notifications by what became of them first."""
    register(api)
    choose(api)
    rows = _rows(api)
    _stopped(rows)
    digest(NAME, receiver_hash("EMAIL", MAIL))
    digest("", receiver_hash("EMAIL", MAIL))
    _by_staff()
    return rows


def _rows(api: Api) -> dict[str, Notification]:
    texts: dict[str, Any] = {"message": TEXT, "html": f"<p>{TEXT}</p>", "subject": TEXT, "reference": "ann's order"}
    to_her, to_mail = texts | {"user": NAME, "receiver": MAIL}, texts | {"receiver": MAIL.lower()}
    ended = {"settled_at": datetime.now(UTC), "provider": "scripted", "provider_message_id": f"id-{NAME}"}
    made = {
        "sent": row(Status.SENT, **to_her, **ended),
        "sent to the address": row(Status.SENT, **to_mail, **ended),
        "sent to a former address": row(Status.SENT, **to_her | {"receiver": FORMER}, **ended),
        "sent as a text": row(Status.SENT, **texts | {"channel": "SMS", "receiver": PHONE}, **ended),
        "waiting": row(Status.WAITING, **to_her, reason="retry", due_at=SOON, last_error=f"busy with {MAIL}"),
        "waiting to be posted": row(Status.WAITING, **texts | {"channel": "SLACK", "receiver": HOOK}, due_at=SOON),
        "accepted": row(Status.ACCEPTED, **to_mail, due_at=SOON),
        "queued": row(Status.QUEUED, **to_mail),
        "expired": row(Status.EXPIRED, **to_her, expires_at=datetime.now(UTC), settled_at=datetime.now(UTC)),
    }
    for one in made.values():
        Attempt.objects.create(
            notification=one, generation=0, number=1, at=one.accepted_at, outcome=Outcome.TRANSIENT,
            cause=Cause.TIMEOUT, error=f"no answer for {MAIL}",
        )  # fmt: skip
    mail = Event("postmark", "EMAIL", MAIL, ReceiptType.DELIVERED, "m-1", notification_id=made["sent"].id)
    stop = Event("twilio", "SMS", PHONE, ReceiptType.STOP, "SM1")
    take([mail, stop, mail._replace(receiver="bob@example.com", notification_id=None, message_id="m-2")])
    sandbox = made["sent"]
    SandboxMessage.objects.create(notification_id=sandbox.id, channel="EMAIL", receiver=MAIL, message=TEXT)
    for key in ("order 17", f"welcome {MAIL}"):
        asked = {"user": NAME, "type": "EMAIL", "subject": TEXT, "message": TEXT}
        answer = api.post("/notification", asked, Idempotency_Key=key)
        made[key] = Notification.objects.get(pk=json_of(answer)["id"])
    return made


def _stopped(rows: dict[str, Notification]) -> None:
    """Letters in each state: open, held, discarded, corrected, corrected with others, replayed, died again."""
    hers: dict[str, Any] = {"user": NAME, "receiver": MAIL, "message": TEXT, "last_error": f"no {MAIL}"}
    open_, held, discarded = letter(**hers), letter(**hers, status=Status.HELD, uncertain_count=1), letter(**hers)
    verbs.discard([discarded.pk], "anna", CALLED)
    corrected, elsewhere, replayed = letter(**hers), letter(user="bob", receiver=MAIL), letter(**hers)
    repair(corrected.pk, "anna", {"receiver": FORMER, "message": f"{TEXT}!"}, reason=CALLED)
    repair(elsewhere.pk, "anna", {"receiver": "bob@example.com"}, reason=f"not {MAIL}")
    verbs.replay([replayed.pk], "anna")
    mistyped = mended.mistyped("ann.archer@anmial.com", message=TEXT, user=NAME)
    correction = Correction(Kind.REPLACE, "anmial.com", "example.com")
    mended.run(mended.mend(correction, Selection(user=NAME), reason=CALLED))
    unreadable(f'{{"v": 9, "receiver": "{HOOK.replace("/", chr(92) + "/")}"}}'.encode())
    for one in (open_, held, discarded, corrected, replayed, mistyped):
        assert one.notification
        rows[f"letter {one.pk}"] = one.notification
        error = f"no {MAIL}"
        DeadLetterEvent.objects.create(event=LetterEvent.DEAD, notification_id=one.notification_id, error=error)
    DeadLetter.objects.filter(user=NAME).update(receiver_domain="ann.before@example.net")


def digest(username: str, hash: str) -> Digest:
    """One that somebody's notifications have gone out in."""
    moments = dict.fromkeys(("opened_at", "closes_at", "look_at"), datetime.now(UTC))
    what = {"channel": "EMAIL", "category": "news", "client": "shop", "state": DigestState.ENDED, "joined": 2}
    return Digest.objects.create(username=username, receiver_hash=hash, **what, **moments)


def _by_staff() -> None:
    """What staff wrote and looked for, and what the admin notes of them."""
    admin: Account = superuser("root")
    client: Client = logged_in(admin)
    client.post("/admin/find/", {"q": MAIL})
    client.post("/admin/find/", {"q": "somebody@example.org"})
    AccessFailureLog.objects.create(username=MAIL, path_info="/admin/login/")
    kind = ContentType.objects.get_for_model(User)
    ann = User.objects.get(username=NAME)
    LogEntry.objects.create(user=admin, content_type=kind, object_id=str(ann.pk), object_repr=NAME, action_flag=CHANGE)
    seen = {"first_seen": datetime.now(UTC), "last_seen": datetime.now(UTC) - timedelta(days=1)}
    Problem.objects.create(cause=Cause.TIMEOUT, fingerprint="x", version=1, example=f"no {MAIL}", note=CALLED, **seen)
    selection = Selection(user=NAME, term=PHONE).as_json()
    Run.objects.create(actor="anna", reason=CALLED, selection=selection, last_letter=0, ended_at=SOON)
    suppress(address_of("EMAIL", MAIL), SuppressedFor.BOUNCED, evidence="550 5.1.1 Ann Archer has left")
    Pause.objects.create(kind="client", name="shop", actor="anna", reason=CALLED, began_at=SOON)
    StaffAction.objects.create(actor="anna", action="annotate", target="problem 1", note=CALLED)
