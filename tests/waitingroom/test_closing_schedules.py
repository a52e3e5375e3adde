"""An opening that lies ahead closes a zone that is open: from the saving on nobody enters, so it is asked about."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.waitingroom.manage.forms import MOMENT
from apps.waitingroom.models import Role, Zone, ZoneChange
from tests.waitingroom.desks import Desk, act, fields_of, local, other_changes, page, posted, row, said
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PAGE = "/manage/zones/concert/"
CLOSES = "This closes the zone now: nobody enters until"
STOPS = "This stops the zone now: nobody enters until"
SURE = {"is_sure": "yes"}


def form_of(markup: str, what: str) -> str:
    found = re.search(rf'<form[^>]*action="[^"]*{what}/".*?</form>', markup, re.S)
    assert found is not None
    return found[0]


def shown_moment(minutes: float) -> str:
    return local(minutes).replace("T", " ")


def undo(client: Client, change: ZoneChange, **typed: Any) -> Any:
    return client.post(f"{PAGE}changes/{change.pk}/undo/", {"version": row().version, **typed})


def event_taken_away(**fields: Any) -> ZoneChange:
    """A zone whose event lay ahead until somebody took it away: it is open, and undoing that would close it."""
    zone_make(opens_at=timezone.now() + timedelta(hours=1), **fields)
    other_changes(opens_at=None)
    return ZoneChange.objects.all()[0]


def test_the_form_says_what_becomes_of_the_zone_from_the_saving_on(desk: Desk) -> None:
    zone_make()
    form = form_of(page(desk(Role.OPERATOR)), "schedule")
    assert "From the saving on nobody enters until doors open, and before the pre-queue newcomers get no place." in form


@pytest.mark.parametrize("mode", ["open", "queue-all", "paused"])
def test_closing_an_open_zone_is_asked_about_and_what_was_typed_is_kept(desk: Desk, mode: str) -> None:
    zone = zone_make(mode=mode)
    client = desk(Role.OPERATOR)
    asked = act(client, "schedule", opens_at=local(60), prequeue_from=local(30), why="the sale")
    shown = asked.content.decode()
    assert (asked.status_code, row().version, row().opens_at) == (200, zone.version, None)
    form = form_of(shown, "schedule")
    assert f"{CLOSES} {shown_moment(60)}, and newcomers get no place before {shown_moment(30)}." in form
    assert re.findall(r"<button[^>]*>([^<]*)", form) == ["Save, and close until then"]
    assert f'href="{PAGE}"' in form
    typed = fields_of(form)
    assert (typed["opens_at"], typed["prequeue_from"], typed["why"]) == (local(60), local(30), "the sale")
    assert said(client.post(f"{PAGE}schedule/", {**typed, **SURE})) == ["Schedule: changed."]
    found, note = row(), ZoneChange.objects.all()[0]
    assert found.opens_at is not None
    assert (timezone.localtime(found.opens_at).strftime(MOMENT), note.why) == (local(60), "the sale")


@pytest.mark.parametrize(
    ("gathers", "words"),
    [
        (None, f"{CLOSES} {{opens}}, and newcomers get no place before then."),
        (0, f"{STOPS} {{opens}}. Newcomers gather for the draw until then."),
    ],
)
def test_the_question_says_what_becomes_of_newcomers(desk: Desk, gathers: int | None, words: str) -> None:
    zone_make()
    typed = {"opens_at": local(60), "prequeue_from": "" if gathers is None else local(gathers)}
    asked = act(desk(Role.OPERATOR), "schedule", **typed)
    assert words.format(opens=shown_moment(60)) in asked.content.decode()
    assert row().opens_at is None


def test_a_zone_that_a_schedule_does_not_close_is_not_asked_about(desk: Desk) -> None:
    zone_make(opens_at=timezone.now() + timedelta(hours=1))
    client = desk(Role.OPERATOR)
    assert act(client, "schedule", opens_at=local(120)).status_code == 302  # it waits for an opening already
    assert act(client, "schedule", opens_at="").status_code == 302
    for mode in ("blocked", "bypass", "observe"):  # in which nobody, or everybody, enters all the same
        other_changes(mode=mode)
        assert act(client, "schedule", opens_at=local(60)).status_code == 302
        assert act(client, "schedule", opens_at="").status_code == 302
    other_changes(mode="open")
    past = timezone.now() - timedelta(minutes=5)
    Zone.objects.filter(pk="concert").update(opens_at=past)  # it has opened, and is open
    assert act(client, "schedule", opens_at=local(60)).status_code == 200


def test_what_is_wrong_or_has_changed_is_said_before_anything_is_asked(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    wrong = act(client, "schedule", opens_at=local(30), prequeue_from=local(60))
    assert (wrong.status_code, CLOSES in wrong.content.decode()) == (400, False)
    stale = posted(client, "zones/concert/", "/schedule/", opens_at=local(60), **SURE)
    other_changes(per_minute=5)
    late = client.post(f"{PAGE}schedule/", stale)
    assert (late.status_code, row().opens_at) == (409, None)
    again = fields_of(form_of(late.content.decode(), "schedule"))
    assert again["opens_at"] == local(60)
    assert "is_sure" not in again  # of the zone as it is now it is asked anew
    asked = client.post(f"{PAGE}schedule/", again)
    assert (asked.status_code, CLOSES in asked.content.decode(), row().opens_at) == (200, True, None)


def test_an_undo_that_closes_the_zone_takes_two_clicks(desk: Desk) -> None:
    change = event_taken_away()
    client = desk(Role.OPERATOR)
    shown = page(client, "zones/concert/changes/")
    fold = re.search(r'<details class="sure">.*?</details>', shown, re.S)
    assert fold is not None
    assert f"{CLOSES} {shown_moment(60)}, and newcomers get no place before then." in fold[0]
    assert 'class="button danger small"' in fold[0]
    sent = fields_of(fold[0])
    assert sent["is_sure"] == "yes"
    assert said(client.post(f"{PAGE}changes/{change.pk}/undo/", sent)) == ["Undone."]
    assert row().opens_at is not None


def test_an_undo_that_does_not_close_the_zone_takes_one_click(desk: Desk) -> None:
    change = event_taken_away(mode="blocked")
    client = desk(Role.OPERATOR)
    assert 'class="sure"' not in page(client, "zones/concert/changes/")
    assert said(undo(client, change)) == ["Undone."]


def test_an_undo_that_came_to_close_the_zone_since_it_was_shown_is_asked_about(desk: Desk) -> None:
    """Put off at the last moment: as the page was shown the doors were shut, and they have opened since."""
    zone_make(opens_at=timezone.now() + timedelta(hours=1))
    other_changes(opens_at=timezone.now() + timedelta(minutes=5))
    change = ZoneChange.objects.all()[0]
    client = desk(Role.OPERATOR)
    assert 'class="sure"' not in page(client)
    past = timezone.now() - timedelta(seconds=1)
    Zone.objects.filter(pk="concert").update(opens_at=past)
    ZoneChange.objects.filter(pk=change.pk).update(after={"opens_at": past.isoformat()})
    asked = undo(client, change, why="too early")
    shown = asked.content.decode()
    assert (asked.status_code, row().opens_at) == (200, past)
    fold = re.search(r'<details class="sure" open>.*?</details>', shown, re.S)
    assert fold is not None
    assert CLOSES in fold[0]
    sent = fields_of(fold[0])
    assert sent["why"] == "too early"
    assert said(client.post(f"{PAGE}changes/{change.pk}/undo/", sent)) == ["Undone."]
    assert ZoneChange.objects.all()[0].why == "too early"
