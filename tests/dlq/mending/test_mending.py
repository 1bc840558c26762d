"""Correcting many letters: which are taken, which are left out and why, and that each is corrected once."""

from __future__ import annotations

from hashlib import blake2b
from threading import Event

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from dlq.mending import job as mending_job
from dlq.mending.candidates import Fate, already_got, find, sort_out
from dlq.mending.corrections import Correction, Kind
from dlq.mending.devices import devices_of
from dlq.models import DeadLetter, Mending
from dlq.repair import repair
from dlq.selection import Selection
from dlq.verbs import discard, replay
from notifications.channels.outcomes import Cause
from notifications.messages.ids import first_id_at, receiver_hash
from notifications.messages.words import Status
from notifications.models import Category, Job, Notification, StaffAction
from tests.desk import notification, row_of
from tests.dlq.mending.mended import ALL, GMIAL, mend, mistyped, person, receivers, run
from tests.notifications.rows import ago, in_threads
from users.people.models import Device

pytestmark = pytest.mark.django_db


def test_a_correction_changes_letter_and_notification_together() -> None:
    dead, other = mistyped("Anna@Gmial.com", user="anna"), mistyped("bert@example.org")
    mending = mend()
    run(mending)
    assert receivers() == ["Anna@gmail.com", "bert@example.org"]
    dead.refresh_from_db()
    new, old = receiver_hash("EMAIL", "Anna@gmail.com"), receiver_hash("EMAIL", "Anna@gmial.com")
    assert (dead.receiver_hash, dead.receiver_domain, dead.was_receiver_hash) == (new, "gmail.com", old)
    assert row_of(dead).receiver_hash == new
    assert (dead.state, dead.mending_id) == ("open", mending.pk)
    assert (mending.corrected, mending.left_out) == (1, {})
    assert mending.ended_at is not None
    other.refresh_from_db()
    assert other.mending_id is None


@pytest.mark.parametrize("typed", ["anna@gmial.com", "anna@GMIAL.com", "<Anna@gmial.com>", "anna@gmail.com"])
def test_the_old_and_the_new_address_find_the_letter(typed: str) -> None:
    dead = mistyped()
    run(mend())
    assert list(Selection(term=typed).rows()) == [dead]


def test_one_letters_correction_keeps_the_first_address() -> None:
    dead = mistyped()
    for receiver in ("anna@gamil.com", "anna@gmail.com"):
        repair(dead.pk, "anna", {"receiver": receiver}, reason="typed wrong")
    dead.refresh_from_db()
    assert list(Selection(term="anna@gmial.com").rows()) == [dead]
    assert (dead.receiver_domain, dead.receiver_hash) == ("gmail.com", row_of(dead).receiver_hash)


def test_every_change_is_recorded_masked_and_hashed() -> None:
    dead = mistyped(user="anna")
    person("anna", "anna@gmial.com")
    mending = mend()
    run()
    device, letters = (StaffAction.objects.get(target=name) for name in ("user anna", f"dead letter {dead.pk}"))
    for action in (device, letters):
        assert (action.before, action.after, action.actor) == ("a…@gmial.com", "a…@gmail.com", "anna")
        assert action.before_hash == receiver_hash("EMAIL", "anna@gmial.com")
        assert action.after_hash == receiver_hash("EMAIL", "anna@gmail.com")
        assert not action.flagged
    asked, done = StaffAction.objects.filter(target=f"correction {mending.pk}").order_by("id")
    assert (asked.reason, asked.note) == ("typed wrong", "asked")
    assert done.note == "done: 1 letters and 1 devices corrected."


def test_a_receiver_that_is_no_device_of_the_person_is_flagged() -> None:
    person("anna", "anna@acme.test")
    person("bert", "bert@example.org")
    letters = [mistyped("anna@acme.tst", user="anna"), mistyped("bert@acme.tst", user="bert"), mistyped("x@acme.tst")]
    mend(Correction(Kind.DOMAIN, "acme.tst", "acme.test"))
    obvious = mistyped("carl@gmial.com")
    mend()
    run()
    actions = {each.target: each.flagged for each in StaffAction.objects.all()}
    assert [actions[f"dead letter {each.pk}"] for each in (*letters, obvious)] == [False, True, True, False]


class TestLeftOut:
    def test_a_sensitive_category_is_never_corrected(self) -> None:
        Category.objects.create(name="password", sensitive=True)
        mistyped(category="password", user="anna")
        person("anna", "anna@gmial.com")
        mending = mend()
        run(mending)
        assert receivers() == ["anna@gmial.com"]
        assert mending.left_out == {"sensitive": 1}
        assert Device.objects.get().address == "anna@gmial.com"

    def test_what_the_intake_would_refuse_is_left_out_and_explained(self) -> None:
        long, fine = mistyped(f"{'a' * 60}@gmial.com"), mistyped("bert@gmial.com")
        correction = Correction(Kind.REPLACE, "a@gmial", "aaaaaa@gmail")
        found, _ = find(ALL, correction)
        result = sort_out(found)
        assert [each.letter for each in result.by_fate[Fate.REFUSED]] == [long.pk]
        assert "at most 254 characters" in result.refusals[long.pk]
        mending = mend(correction)
        run(mending)
        assert (mending.corrected, mending.left_out) == (0, {"refused": 1})
        assert row_of(fine).receiver == "bert@gmial.com"

    @pytest.mark.parametrize("status", [Status.HELD, Status.DEAD, Status.EXPIRED])
    def test_every_replayable_letter_is_corrected(self, status: Status) -> None:
        mistyped(status=status)
        run(mend())
        assert receivers() == ["anna@gmail.com"]

    def test_a_letter_that_somebody_else_has_by_then_is_left_out(self) -> None:
        first, second, third = mistyped(), mistyped("b@gmial.com"), mistyped("c@gmial.com")
        mending = mend()
        replay([first.pk], "bert")
        discard([second.pk], "bert", "no")
        run(mending)
        assert receivers() == ["anna@gmial.com", "b@gmial.com", "c@gmail.com"]
        assert mending.corrected == 1
        third.refresh_from_db()
        assert third.mending_id == mending.pk

    def test_a_letter_that_came_after_the_question_does_not_belong_to_it(self) -> None:
        mistyped()
        mending = mend()
        mistyped("late@gmial.com")
        run(mending)
        assert receivers() == ["anna@gmail.com", "late@gmial.com"]

    def test_a_notification_without_its_receiver_any_more_is_left_alone(self) -> None:
        dead = mistyped()
        Notification.objects.filter(dead_letter=dead).update(receiver="")
        assert find(ALL, GMIAL) == ([], False)


class TestDuplicates:
    @pytest.mark.parametrize(
        ("sent", "duplicate"),
        [
            ({"reference": "order-7", "category": "receipt"}, True),
            ({"reference": "order-7", "category": "other"}, False),
            ({"reference": "order-8", "category": "receipt"}, False),
            ({"reference": "order-7", "category": "receipt", "client": "crm"}, False),
            ({"reference": "order-7", "category": "receipt", "status": Status.DEAD}, False),
            ({"reference": "order-7", "category": "receipt", "status": Status.WAITING}, True),
            ({"user": "anna", "message": "Your receipt"}, True),
            ({"user": "anna", "message": "Your receipt", "subject": "Hi"}, False),
            ({"user": "anna", "message": "Another"}, False),
            ({"user": "bert", "message": "Your receipt"}, False),
            ({"reference": "order-7", "category": "receipt", "receiver": "bert@gmail.com"}, False),
            ({"reference": "order-7", "category": "receipt", "id": first_id_at(ago(86400 * 9))}, False),
        ],
    )
    def test_what_counts_as_one(self, sent: dict[str, object], duplicate: bool) -> None:
        mistyped(user="anna", reference="order-7", category="receipt", message="Your receipt")
        notification(**{"receiver": "anna@gmail.com", "status": Status.SENT, "message": "…"} | sent)
        found, _ = find(ALL, GMIAL)
        assert bool(already_got(found)) is duplicate

    def test_they_are_left_out_unless_somebody_chooses_them(self) -> None:
        for _ in range(2):
            mistyped(reference="order-7")
        notification(receiver="anna@gmail.com", status=Status.SENT, reference="order-7")
        mending = mend()
        run(mending)
        assert (mending.corrected, mending.left_out) == (0, {"duplicate": 2})
        again = mend(duplicates=True)
        run(again)
        assert (again.corrected, receivers()) == (2, ["anna@gmail.com"] * 2)

    def test_a_receiver_hashed_without_a_key_by_1_0_is_found(self) -> None:
        mistyped(reference="order-7")
        hashed = blake2b(b"EMAIL:anna@gmail.com", digest_size=16).hexdigest()
        notification(receiver="anna@gmail.com", receiver_hash=hashed, status=Status.SENT, reference="order-7")
        assert len(already_got(find(ALL, GMIAL)[0])) == 1


class TestDevices:
    def test_the_same_wrong_address_is_corrected_once(self) -> None:
        for username in ("anna", "anna", "bert"):
            mistyped(user=username)
        person("anna", "anna@Gmial.com", "+4915112345678", "other@gmial.com")
        person("bert", "bert@gmial.com")
        mending = mend()
        run(mending)
        assert mending.devices_corrected == 1
        addresses = Device.objects.order_by("pk").values_list("address", flat=True)
        assert list(addresses) == ["anna@gmail.com", "+4915112345678", "other@gmial.com", "bert@gmial.com"]

    def test_they_are_left_where_somebody_chooses_so(self) -> None:
        mistyped(user="anna")
        person("anna", "anna@gmial.com")
        mending = mend(devices=False)
        run(mending)
        assert (mending.corrected, mending.devices_corrected) == (1, 0)
        assert Device.objects.get().address == "anna@gmial.com"

    def test_somebody_with_the_right_address_as_well_keeps_both(self) -> None:
        mistyped(user="anna")
        person("anna", "anna@gmial.com", "anna@gmail.com")
        found = devices_of(find(ALL, GMIAL)[0])
        assert (found.faulty, found.kept) == ([], 1)


class TestTheJob:
    def test_it_takes_as_many_statements_however_many_letters(self) -> None:
        counts = []
        for letters in (2, 40):
            for number in range(letters):
                mistyped(f"a{letters}x{number}@gmial.com", user=f"u{letters}x{number}")
                person(f"u{letters}x{number}", f"a{letters}x{number}@gmial.com")
            mending = mend()
            with CaptureQueriesContext(
                connection,
            ) as queries:
                run(mending)
            assert (mending.corrected, mending.devices_corrected) == (letters, letters)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_it_goes_on_from_its_cursor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mending_job, "BATCH", 2)
        for number in range(5):
            mistyped(f"a{number}@gmial.com")
        mending = mend()
        run(mending)
        job = Job.objects.get()
        assert (job.state, job.total, job.done, job.counts) == ("done", 5, 5, {"corrected": 5})
        assert mending.corrected == DeadLetter.objects.filter(mending=mending.pk).count() == 5

    def test_a_step_done_twice_changes_nothing_twice(self) -> None:
        mistyped("anna@ex.co")
        correction = Correction(Kind.REPLACE, "ex.co", "ex.com")  # of before there was a rule against it
        mending = mend(correction)
        job = Job.objects.get()
        kind = mending_job.Mend()
        for _ in range(2):
            kind.step(job, None)
            Mending.objects.filter(pk=mending.pk).update(correction=correction.as_json())
        assert receivers() == ["anna@ex.com"]
        assert StaffAction.objects.filter(target__startswith="dead letter").count() == 1

    def test_a_page_that_is_posted_twice_makes_one(self) -> None:
        mistyped()
        first, second = mend(key="ab" * 16), mend(key="ab" * 16)
        assert first.pk == second.pk
        assert Job.objects.count() == Mending.objects.count() == 1

    def test_it_keeps_no_address_longer_than_needed(self) -> None:
        mistyped()
        mending = mend(Correction(Kind.REPLACE, "anna@gmial.com", "anna@gmail.com"))
        run(mending)
        assert receivers() == ["anna@gmail.com"]
        kept = str([*Mending.objects.values(), *Job.objects.values(), *StaffAction.objects.values()])
        assert "anna@" not in kept


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", [DeadLetter, Notification])
def test_a_letter_that_somebody_has_locked_is_left_out_and_counted(table: type[DeadLetter | Notification]) -> None:
    theirs, free = mistyped(), mistyped("b@gmial.com")
    mending = mend()
    has_locked, done = Event(), Event()

    def keep() -> None:
        with transaction.atomic():
            mine = {"pk": theirs.pk} if table is DeadLetter else {"dead_letter": theirs}
            list(table._default_manager.select_for_update(of=("self",)).filter(**mine))
            has_locked.set()
            assert done.wait(60)

    def work() -> None:
        assert has_locked.wait(60)
        try:
            run(mending)
        finally:
            done.set()

    in_threads(keep, work)
    assert (mending.corrected, mending.left_out) == (1, {"taken": 1})
    assert row_of(theirs).receiver == "anna@gmial.com"
    free.refresh_from_db()
    assert free.mending_id == mending.pk


def test_the_selection_bounds_it() -> None:
    mine, other = mistyped(), mistyped("b@gmial.com", last_cause=Cause.REJECTED_CONTENT)
    run(mend(selection=Selection(ids=(mine.pk,))))
    assert receivers() == ["anna@gmail.com", "b@gmial.com"]
    run(mend(selection=Selection(cause=Cause.REJECTED_CONTENT)))
    assert row_of(other).receiver == "b@gmail.com"


def test_a_corrections_letters_are_a_selection() -> None:
    dead = mistyped()
    mistyped("bert@example.org")
    mending = mend()
    run()
    assert list(Selection(mending=mending.pk).rows()) == [dead]


def test_more_letters_than_a_correction_takes_are_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.mending.candidates.MOST_LETTERS", 2)
    for number in range(3):
        mistyped(f"a{number}@gmial.com")
    found, more = find(ALL, GMIAL)
    assert (len(found), more) == (2, True)
    run(mend())
    assert receivers() == ["a0@gmail.com", "a1@gmail.com", "a2@gmial.com"]
    assert find(ALL, GMIAL)[1] is False


def test_where_no_index_helps_the_oldest_letters_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.mending.candidates.MOST_LOOKED_AT", 2)
    for number in range(3):
        mistyped(f"a{number}@gmial.com")
    found, more = find(ALL, Correction(Kind.REPLACE, "gmial", "gmail"))
    assert (len(found), more) == (2, True)


def test_a_numbers_beginning_is_corrected() -> None:
    for number in ("+4901511234567", "+491511234567", "+4401511234567"):
        mistyped(number, channel="SMS")
    run(mend(Correction(Kind.PREFIX, "+490", "+49")))
    assert receivers() == ["+491511234567", "+491511234567", "+4401511234567"]
