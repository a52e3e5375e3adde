"""The admin's form of a zone keeps what was typed when it could not be saved, and deletes only what it showed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom import services
from apps.waitingroom.models import Zone, ZoneChange
from tests.waitingroom.desks import fields_of, other_changes, row
from tests.waitingroom.zones import crowd_join, line_of, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIST = "/admin/waitingroom/zone/"
CHANGE = f"{LIST}concert/change/"
DELETE = f"{LIST}concert/delete/"


@pytest.fixture
def desk(client: Client) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


def form_in(response: Any) -> dict[str, str]:
    """What a browser sends of the zone's form on this page, as it stands."""
    assert response.status_code == 200
    shown = response.content.decode()
    return fields_of(shown[shown.index('id="zone_form"') :])


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- what was typed -------------------------------------------------------------------------------------------------


def test_a_conflict_keeps_what_was_typed_and_shows_what_the_other_changed(desk: Client) -> None:
    opens_at = timezone.now() + timedelta(days=1)
    zone_make(per_minute=60, message="Hello", opens_at=opens_at, fail_mode="closed", app="shop")
    typed = {**form_in(desk.get(CHANGE)), "message": "A long\r\nmessage", "idle_s": "120"}
    other_changes(
        per_minute=30, single_use=True, fail_mode="open", idle_s=90, opens_at=opens_at + timedelta(hours=1), app=""
    )
    version = row().version
    response = desk.post(CHANGE, typed)
    shown = response.content.decode()
    assert (row().version, LogEntry.objects.count()) == (version, 0)
    assert "Somebody else changed this zone first. Nothing of yours was saved." in shown
    assert "entries a minute 60 → 30" in shown
    assert "minsu" in shown
    assert "“too full”" in shown
    again = form_in(response)
    assert (again["message"].replace("\r\n", "\n"), again["idle_s"]) == ("A long\nmessage", "120")
    followed = {name: again.get(name) for name in ("per_minute", "single_use", "fail_mode", "app", "version")}
    assert followed == {
        "per_minute": "30",
        "single_use": "on",
        "fail_mode": "open",
        "app": "",
        "version": str(version),
    }
    later = timezone.localtime(opens_at + timedelta(hours=1))
    assert (again["opens_at_0"], again["opens_at_1"]) == (f"{later:%Y-%m-%d}", f"{later:%H:%M:%S}")
    assert desk.post(CHANGE, again).status_code == 302
    note = ZoneChange.objects.filter(action="changed")[0]
    assert note.after == {"message": "A long\nmessage", "idle_s": 120}
    assert (row().per_minute, row().single_use, row().app) == (30, True, "")


def test_what_one_changed_oneself_in_another_window_is_said_to_be(desk: Client) -> None:
    zone = zone_make()
    typed = {**form_in(desk.get(CHANGE)), "message": "Mine"}
    operator = User.objects.get(username="operator")
    services.zone_update(actor=operator, zone_id="concert", expected_version=zone.version, per_minute=30)
    assert "You changed this zone yourself meanwhile." in desk.post(CHANGE, typed).content.decode()


def test_only_what_was_touched_is_written(desk: Client) -> None:
    opens_at = timezone.now() + timedelta(days=1)  # with its microseconds, which no form shows
    zone_make(per_minute=60, message="Hello", opens_at=opens_at, single_use=True)
    typed = {**form_in(desk.get(CHANGE)), "per_minute": "90"}
    assert desk.post(CHANGE, typed).status_code == 302
    assert ZoneChange.objects.filter(action="changed").get().after == {"per_minute": 90}
    typed = form_in(desk.get(CHANGE))
    del typed["single_use"]  # no longer ticked
    assert desk.post(CHANGE, {**typed, "message": ""}).status_code == 302
    assert ZoneChange.objects.filter(action="changed")[0].after == {"single_use": False, "message": ""}


def test_a_refused_schedule_keeps_what_was_typed(desk: Client) -> None:
    zone = zone_make()
    typed = {**form_in(desk.get(CHANGE)), "message": "Doors at nine", "opens_at_0": "2020-01-01", "opens_at_1": "09:00"}
    response = desk.post(CHANGE, typed)
    again = form_in(response)
    assert "This moment has passed: choose one that is yet to come." in response.content.decode()
    assert (again["message"], again["opens_at_0"], again["opens_at_1"]) == ("Doors at nine", "2020-01-01", "09:00")
    assert (row().version, LogEntry.objects.count()) == (zone.version, 0)
    assert desk.post(CHANGE, {**again, "opens_at_0": "", "opens_at_1": ""}).status_code == 302
    assert row().message == "Doors at nine"


def test_a_new_zone_that_is_refused_keeps_what_was_typed(desk: Client) -> None:
    typed = {**form_in(desk.get(f"{LIST}add/")), "zone_id": "sale", "name": "Sale", "opens_at_0": "2020-01-01"}
    response = desk.post(f"{LIST}add/", {**typed, "opens_at_1": "09:00"})
    assert "This moment has passed" in response.content.decode()
    assert (form_in(response)["name"], Zone.objects.exists()) == ("Sale", False)


def test_what_others_typed_is_text_in_a_conflict(desk: Client) -> None:
    zone = zone_make()
    typed = {**form_in(desk.get(CHANGE)), "message": "Mine"}
    services.zone_update(actor=None, zone_id="concert", expected_version=zone.version, name="<i>x</i>", why="<b>y</b>")
    shown = desk.post(CHANGE, typed).content.decode()
    assert "&lt;b&gt;y&lt;/b&gt;" in shown
    assert "<b>y" not in shown
    assert "<i>x" not in shown


def test_the_list_keeps_what_was_typed_and_shows_what_the_other_changed(desk: Client) -> None:
    for name in ("first", "second", "third"):
        zone_make(name, per_minute=60)
    shown = desk.get(LIST).content.decode()
    sent = fields_of(shown[shown.index('id="changelist-form"') :])
    sent = {name: value for name, value in sent.items() if name != "_selected_action"}
    typed = {**sent, "form-0-per_minute": "10", "form-1-per_minute": "20", "_save": "Save"}
    second = row("second")
    services.zone_update(actor=None, zone_id="second", expected_version=second.version, per_minute=30, why="too full")
    response = desk.post(LIST, typed)
    shown = response.content.decode()
    assert dict(Zone.objects.values_list("pk", "per_minute")) == {"first": 60, "second": 30, "third": 60}
    assert shown.count("Somebody else changed this zone first. Nothing of yours was saved.") == 1
    assert "entries a minute 60 → 30. “too full”." in shown
    again = fields_of(shown[shown.index('id="changelist-form"') :])
    assert {name: again[f"form-{number}-per_minute"] for number, name in enumerate(("first", "second", "third"))} == {
        "first": "10",
        "second": "20",
        "third": "60",
    }
    again.pop("_selected_action", None)
    assert said(desk.post(LIST, {**again, "_save": "Save"})) == ["2 zones were changed successfully."]
    assert dict(Zone.objects.values_list("pk", "per_minute")) == {"first": 10, "second": 20, "third": 60}


# --- what is deleted ------------------------------------------------------------------------------------------------


def hidden_in(response: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in response.context["hidden"]:
        found.setdefault(name, []).append(str(value))
    return found


@pytest.mark.parametrize("way", ["page", "list"])
def test_deleting_says_how_many_wait_and_goes_by_what_was_shown(desk: Client, way: str) -> None:
    zone = zone_make(per_minute=10)
    crowd_join(zone, 25)
    chosen = {"action": "delete_selected", "_selected_action": ["concert"]}

    def ask() -> Any:
        return desk.get(DELETE) if way == "page" else desk.post(LIST, chosen)

    asked = ask()
    assert asked.context["rows"] == [(zone, "concert, Open, waiting now: 15")]
    action = re.search(r'<form method="post" action="([^"]*)"', asked.content.decode())
    assert action is not None
    other_changes(mode="paused")
    refused = desk.post(action[1], {**hidden_in(asked), "reason": "over"})
    assert refused.status_code == 302
    assert len(said(refused)) == 1
    assert "changed" in said(refused)[0]
    line = line_of("concert")
    assert line is not None
    assert (line.waiting, row().mode, LogEntry.objects.count()) == (15, "paused", 0)
    assert desk.post(action[1], {**hidden_in(ask()), "reason": "over"}).status_code == 302
    assert (Zone.objects.exists(), line_of("concert")) == (False, None)
    assert [(entry.action_flag, entry.object_id) for entry in LogEntry.objects.all()] == [(DELETION, "concert")]
    assert ZoneChange.objects.get(action="deleted").why == "over"


@pytest.mark.parametrize("seen", ["", "concert:1", "other:5"])
def test_an_answer_that_saw_nothing_deletes_nothing(desk: Client, seen: str) -> None:
    zone_make()
    desk.post(DELETE, {"post": "yes", "confirmed": "yes", "seen": seen})
    desk.post(LIST, {"action": "delete_selected", "_selected_action": ["concert"], "confirmed": "yes", "seen": seen})
    assert Zone.objects.filter(pk="concert").exists()
    assert LogEntry.objects.count() == 0


def test_the_service_deletes_what_the_caller_saw() -> None:
    zone = zone_make()
    other_changes(per_minute=5)
    with pytest.raises(services.Conflict) as refused:
        services.zone_delete(zone_id="concert", expected_version=zone.version)
    assert [change.after for change in refused.value.changes] == [{"per_minute": 5}]
    assert services.zone_delete(zone_id="concert", expected_version=row().version) is True
    assert services.zone_delete(zone_id="concert", expected_version=1) is False
