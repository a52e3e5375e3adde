"""What no form of ours sends, sent to the addresses of a zone's forms; and a reason that outlives a refusal."""

from typing import Any

import pytest
from django.test import Client

from apps.waitingroom.models import Role, ZoneChange
from tests.waitingroom.desks import Desk, act, fields_of, other_changes, page, row
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PAGE = "/manage/zones/concert/"


def changed() -> list[ZoneChange]:
    return list(ZoneChange.objects.exclude(action="role"))


def undo(client: Client, change: ZoneChange, **typed: Any) -> Any:
    return client.post(f"{PAGE}changes/{change.pk}/undo/", {"version": row().version, **typed})


@pytest.mark.parametrize("what", ["bypass", "observe"])
@pytest.mark.parametrize("mode", ["paused", "open", "blocked", "nonsense", ""])
def test_the_address_of_a_mode_sets_no_other(desk: Desk, what: str, mode: str) -> None:
    zone = zone_make()
    refused = act(desk(Role.OPERATOR), what, mode=mode)
    assert (refused.status_code, row().mode, row().version) == (400, "open", zone.version)


@pytest.mark.parametrize("version", ["9" * 5_000, "9" * 400, "-1", "", "x", "٣"])
def test_an_undo_of_no_such_version_is_a_conflict(desk: Desk, version: str) -> None:
    zone_make(per_minute=60)
    other_changes(per_minute=90)
    assert undo(desk(Role.OPERATOR), changed()[0], version=version).status_code == 409
    assert row().per_minute == 90


def test_why_somebody_would_undo_is_still_there_after_a_conflict(desk: Desk) -> None:
    zone_make(per_minute=60, mode="bypass")
    other_changes(mode="open")
    asks = changed()[0]
    other_changes(per_minute=90)
    plain = changed()[0]
    client, stale = desk(Role.OPERATOR), row().version
    for number in range(9):  # and it is not among those that the page shows by itself
        other_changes(message=f"Soon {number}")
    for change, why in ((asks, "the hall is empty"), (plain, "doors are <narrow>")):
        refused = undo(client, change, version=stale, why=why)
        shown = refused.content.decode()
        assert (refused.status_code, "What you typed is still there" in shown) == (409, True)
        item = next(part for part in shown.split("<li")[1:] if f'action="{PAGE}changes/{change.pk}/undo/"' in part)
        assert " open>" in item
        again = fields_of(item)
        assert (again["why"], again["version"]) == (why, str(row().version))
        assert client.post(f"{PAGE}changes/{change.pk}/undo/", again).status_code == 302
        assert changed()[0].why == why
        stale = row().version - 1
    assert (row().mode, row().per_minute) == ("bypass", 60)


def test_a_conflict_of_an_undo_without_a_reason_does_not_speak_of_one(desk: Desk) -> None:
    zone_make(per_minute=60)
    other_changes(per_minute=90)
    client, stale = desk(Role.OPERATOR), row().version
    other_changes(message="Soon")
    shown = undo(client, changed()[1], version=stale).content.decode()
    assert "What you typed is still there" not in shown
    assert "This page now shows the zone as it is." in shown


def test_who_has_no_zone_yet_is_told_how_to_see_it(desk: Desk) -> None:
    shown = page(desk(None, "mallory"), "")
    assert "Load this page again when they have done so." in shown
    assert "<script" not in shown[shown.index("<main") :]  # it does not move by itself
