"""Jobs in the admin: how far they are, and pausing, resuming and cancelling them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import Job, StaffAction
from tests.desk import staff

LIST = reverse("admin:notifications_job_changelist")


def job(**fields: object) -> Job:
    return Job.objects.create(**{"kind": "prune", "actor": "scheduler", "state": Job.State.RUNNING} | fields)


def page_of(one: Job) -> str:
    return reverse("admin:notifications_job_change", args=[one.pk])


def verb(one: Job, name: str) -> str:
    return reverse("admin:notifications_job_verb", args=[one.pk, name])


def client_of(*rights: str) -> Client:
    client = Client()
    client.force_login(staff("operator", *(f"notifications.{right}_job" for right in rights)))
    return client


@pytest.fixture
def operator(db: None) -> Client:
    return client_of("view", "change")


def test_the_list_shows_how_far_each_is(operator: Client) -> None:
    job(total=3000, done=1200)
    failed = job(state=Job.State.FAILED, error="Given up.", started_at="2030-01-31T12:00:00Z", done=7)
    shown = operator.get(LIST).content.decode()
    assert "1,200 of 3,000 (40 %)" in shown
    assert "Given up." in shown
    assert [row.pk for row in operator.get(f"{LIST}?state=failed").context["cl"].result_list] == [failed.pk]


def test_a_verb_asks_first_does_and_is_recorded(operator: Client) -> None:
    one = job(counts={"notifications": 17})
    shown = operator.get(page_of(one)).content.decode()
    assert "17 notifications" in shown
    assert verb(one, "pause") in shown
    assert verb(one, "resume") not in shown
    assert f"Pause job {one.pk}?" in operator.get(verb(one, "pause")).content.decode()
    assert Job.objects.get().state == Job.State.RUNNING
    for name, state in (("pause", "paused"), ("resume", "waiting"), ("cancel", "cancelled")):
        assert f"Job {one.pk} is" in operator.post(verb(one, name), follow=True).content.decode()
        assert Job.objects.get().state == state
    actions = StaffAction.objects.order_by("id").values_list("actor", "action", "target")
    assert list(actions) == [("operator", f"{name}-job", f"job {one.pk}") for name in ("pause", "resume", "cancel")]


def test_what_has_ended_is_left_alone_and_says_so(operator: Client) -> None:
    one = job(state=Job.State.DONE)
    for ask in (operator.get, operator.post):
        assert "cannot be cancelled: it is done" in ask(verb(one, "cancel"), follow=True).content.decode()
    assert not StaffAction.objects.exists()


def test_what_is_no_job_or_no_verb_is_said(operator: Client) -> None:
    one = job()
    assert operator.post(verb(one, "delete")).status_code == 404
    for missing in (one.pk + 1, 99999999999999999999):
        one.pk = missing
        for ask in (operator.get, operator.post):
            assert "there is no such job" in ask(verb(one, "pause"), follow=True).content.decode()


def test_who_may_only_see_cannot_act(db: None) -> None:
    one, viewer = job(), client_of("view")
    shown = viewer.get(page_of(one))
    assert shown.status_code == 200
    assert verb(one, "pause") not in shown.content.decode()
    assert viewer.get(verb(one, "pause")).status_code == 403
    assert viewer.post(verb(one, "pause")).status_code == 403
    assert Job.objects.get().state == Job.State.RUNNING


def test_nobody_edits_adds_or_deletes(anna: Client) -> None:
    one = job()
    for name, args in (("change", [one.pk]), ("delete", [one.pk]), ("add", [])):
        page = reverse(f"admin:notifications_job_{name}", args=args)
        assert anna.post(page, {"state": "done", "post": "yes"}).status_code == 403
    assert Job.objects.get().state == Job.State.RUNNING
