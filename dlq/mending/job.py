"""The job that carries one correction out: some letters a step, each step one small transaction."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from dlq import selection
from dlq.mending import corrections
from dlq.mending.candidates import COLUMNS, OF_NOTIFICATION, Candidate, Fate, Sorted, concerned, letters_of, sort_out
from dlq.mending.corrections import Correction
from dlq.mending.devices import Devices, correct_devices, devices_of
from dlq.mending.mistypings import suggestion
from dlq.mending.receivers import readdress, readdressed
from dlq.models import DeadLetter, Mending
from dlq.verbs import REPLAYABLE, target
from notifications.messages.words import StaffVerb
from notifications.models import REMOVED, Job
from notifications.scheduling import job_rows
from notifications.scheduling.job_rows import Step
from project.desk.audit import Change, change_of_receiver, one_at_a_time, write_actions, write_changes

KIND = "mend"
BATCH = 500  # letters a step looks at; on SQLite everybody who writes waits for it


class Mend:
    """The kind of job. Its parameter is the number of a Mending."""

    every: timedelta | None = None

    def total(self, job: Job) -> int | None:
        return Mending.objects.get(pk=job.parameters["mending"]).asked

    def step(self, job: Job, cursor: Any) -> Step:
        """Corrects those of the next letters that are still as they were. Its number of statements is constant.

        It never waits for a row: what a person, a run or a sender has at that moment is left out, and counted.
        """
        mending = Mending.objects.get(pk=job.parameters["mending"])
        correction = corrections.from_json(mending.correction)
        letters = letters_of(selection.from_json(mending.selection), correction)
        letters = letters.filter(pk__gt=cursor or 0, pk__lte=mending.last_letter)
        window = list(letters.values_list("pk", flat=True)[:BATCH])
        counts = _correct(mending, correction, window) if window else Counter()
        if len(window) == BATCH:
            return Step(window[-1], counts)
        _end(mending)
        return Step(None, counts)


def begin(mending: Mending, *, words: str) -> Mending:
    """Makes the correction and its job. Returns it, or the one that the same page made before.

    `words` tell the record what was asked for. The reason is kept there, too.
    """
    with one_at_a_time():
        if before := Mending.objects.filter(key=mending.key).first():
            return before
        mending.save()
        mending.job_id = job_rows.create(KIND, mending.actor, parameters={"mending": mending.pk}).pk
        mending.save(update_fields=["job_id"])
        write_actions(mending.actor, StaffVerb.MEND, [(name(mending), None)], note=words, reason=mending.reason)
    return mending


def name(mending: Mending) -> str:
    """Returns the name of a correction in the staff actions."""
    return f"correction {mending.pk}"


def _correct(mending: Mending, correction: Correction, window: list[int]) -> Counter[str]:
    """Corrects what it can of these letters. Returns how many letters came to which end, by the word of `Fate`."""
    mine = DeadLetter.objects.filter(correction.condition, pk__in=window).exclude(mending=mending.pk)
    asked = concerned(mine.values_list(*COLUMNS), correction)
    letters = _locked(asked, correction)
    result = sort_out(letters, duplicates=mending.duplicates)
    devices = devices_of(result.people, lock=mending.devices)
    _write(mending, result, devices)
    counts = result.counts()
    if taken := len(asked) - len(letters):
        counts[Fate.TAKEN] = taken
    mending.corrected += counts[Fate.CORRECTED]
    left_out = {fate: count for fate, count in counts.items() if fate != Fate.CORRECTED}
    mending.left_out = dict(Counter(mending.left_out) + Counter(left_out))
    mending.devices_corrected += len(devices.faulty) if mending.devices else 0
    mending.save(update_fields=["corrected", "left_out", "devices_corrected"])
    return counts


def _locked(asked: list[Candidate], correction: Correction) -> list[Candidate]:
    """Returns those that are still open and as they were a moment ago, with letter and notification locked."""
    chosen = DeadLetter.objects.filter(
        pk__in=[each.letter for each in asked], state=DeadLetter.State.OPEN, notification__status__in=REPLAYABLE
    )
    locked = chosen.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    rows = locked.only(*COLUMNS).order_by("pk")
    return concerned(
        ((each.pk, *(getattr(each.notification, name) for name in OF_NOTIFICATION)) for each in rows), correction
    )


def _write(mending: Mending, result: Sorted, devices: Devices) -> None:
    letters = result.by_fate[Fate.CORRECTED]
    readdress(
        [
            readdressed(each.letter, each.id, each.generation, each.channel, each.after, was_hash=each.before_hash)
            for each in letters
        ],
        mending=mending.pk,
    )
    if letters:
        changes = [(target(each.letter), each.id, _change(each, devices)) for each in letters]
        write_changes(mending.actor, StaffVerb.MEND, changes, note=name(mending))
    if mending.devices:
        correct_devices(devices.faulty, mending.actor, note=name(mending))


def _change(letter: Candidate, devices: Devices) -> Change:
    """A new receiver that is no device of the person is flagged, unless it is what the old one was meant to be."""
    expected = devices.knows(letter) or suggestion(letter.channel, letter.before) == letter.after
    return change_of_receiver(letter.channel, letter.before, letter.after, flagged=not expected)


def _end(mending: Mending) -> None:
    """Writes down what was done, and keeps nothing that may be a receiver any longer than needed."""
    correction = corrections.from_json(mending.correction).without_texts().as_json()
    chosen = mending.selection | ({"term": REMOVED} if mending.selection.get("term") else {})
    Mending.objects.filter(pk=mending.pk).update(correction=correction, selection=chosen, ended_at=Now())
    write_actions(mending.actor, StaffVerb.MEND, [(name(mending), None)], note=f"done: {done_in_words(mending)}")


def done_in_words(mending: Mending) -> str:
    """Returns such as "298 letters and 212 devices corrected; left out: 2, the intake would refuse …"."""
    left = "; ".join(f"{count:,} because {Fate(fate).in_words}" for fate, count in mending.left_out.items())
    done = f"{mending.corrected:,} letters and {mending.devices_corrected:,} devices corrected"
    return f"{done}. Left out: {left}." if left else f"{done}."
