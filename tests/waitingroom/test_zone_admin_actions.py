"""What operators do to many zones at once: asked first, done to what was seen, noted and logged."""

import pytest
from django.contrib.admin.models import CHANGE
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom import services
from apps.waitingroom.models import ZoneChange
from tests.waitingroom.zone_desk import act, answer, confirm, logged, row, said
from tests.waitingroom.zones import crowd_join, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(client: Client) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


@pytest.mark.parametrize("name", ["pause", "open", "clear_line"])
def test_an_action_is_asked_first(desk: Client, name: str) -> None:
    zone = zone_make(per_minute=10, mode="queue-all")
    crowd_join(zone, 25)
    response = act(desk, name, zone)
    assert response.status_code == 200
    assert response.context["rows"] == [(zone, "concert, Queue all, waiting now: 25")]
    assert f'name="action" value="{name}"' in response.content.decode()
    assert (row().rules(), logged()) == (zone.rules(), [])


def test_zones_are_paused_and_opened(desk: Client) -> None:
    one, two, other = zone_make("one"), zone_make("two", mode="blocked"), zone_make("other")
    response = answer(desk, "pause", one, two, reason="Too many")
    assert (response.status_code, said(response)) == (302, ["2 zones changed."])
    assert [row(zone.pk).mode for zone in (one, two, other)] == ["paused", "paused", "open"]
    assert {zone_id: rules.mode.value for zone_id, rules in told().items()} == {
        "one": "paused",
        "two": "paused",
        "other": "open",
    }
    message = "Mode set from the list of zones: Paused: the line stands still. Too many"
    assert sorted(logged()) == [(CHANGE, "one", message), (CHANGE, "two", message)]
    assert set(ZoneChange.objects.filter(action="changed").values_list("why", flat=True)) == {"Too many"}
    answer(desk, "open", one)
    assert [row(zone.pk).mode for zone in (one, two, other)] == ["open", "paused", "open"]


def test_a_zone_in_that_mode_already_is_left_alone(desk: Client) -> None:
    zone = zone_make(mode="paused")
    response = act(desk, "pause", zone, confirmed="yes")
    assert (response.status_code, said(response)) == (302, ["The chosen zones are in that mode already."])
    assert (row().rules(), logged()) == (zone.rules(), [])


def test_lines_are_cleared(desk: Client) -> None:
    one, other = zone_make("one", per_minute=10), zone_make("other", per_minute=10)
    for zone in (one, other):
        crowd_join(zone, 25)
    for typed in ("", "other", "one other", "one one two"):
        assert answer(desk, "clear_line", one, typed=typed).status_code == 200
    before = line_of("one")
    assert before is not None
    assert (before.waiting, row("one").epoch, logged()) == (15, one.epoch, [])
    response = answer(desk, "clear_line", one, typed=" one ", reason="Bots")
    assert (response.status_code, said(response)) == (302, ["1 line cleared."])
    lines = line_of("one"), line_of("other")
    assert [line.waiting for line in lines if line] == [0, 15]
    assert (row("one").epoch > one.epoch, row("other").epoch) == (True, other.epoch)
    assert logged() == [(CHANGE, "one", "Line cleared from the list of zones. Bots")]
    assert ZoneChange.objects.get(action="cleared").why == "Bots"


def test_several_lines_are_cleared_when_all_are_named(desk: Client) -> None:
    zones = [zone_make(name) for name in ("one", "two")]
    assert said(answer(desk, "clear_line", *zones, typed="two, one")) == ["2 lines cleared."]


@pytest.mark.parametrize("name", ["pause", "open", "clear_line"])
def test_what_somebody_else_did_since_the_question_stays(desk: Client, name: str) -> None:
    mode = "queue-all"
    one, two = zone_make("one", mode=mode, per_minute=10), zone_make("two", mode=mode, per_minute=10)
    for zone in (one, two):
        crowd_join(zone, 25)
    asked = act(desk, name, one, two)
    blocked = services.zone_update(
        actor=None, zone_id="one", expected_version=one.version, mode="blocked", why="Payment is down"
    )
    response = confirm(desk, asked, typed="one two")
    done = "1 line cleared." if name == "clear_line" else "1 zone changed."
    assert said(response) == ["One was changed by somebody else just now; look again.", done]
    assert (row("one").rules(), told()["one"].mode.value) == (blocked.rules(), "blocked")
    lines = line_of("one"), line_of("two")
    assert [line.waiting for line in lines if line] == [25, 0 if name == "clear_line" else 25]
    assert row("two").version > two.version
    assert [zone_id for _kind, zone_id, _message in logged()] == ["two"]


@pytest.mark.parametrize("name", ["pause", "clear_line"])
@pytest.mark.parametrize("seen", ["", "concert:1", "concert:", "concert:" + "9" * 40, "concert:x other"])
def test_an_answer_to_another_question_does_nothing(desk: Client, name: str, seen: str) -> None:
    zone = zone_make()
    response = act(desk, name, zone, confirmed="yes", typed="concert", seen=seen)
    assert said(response) == ["Concert was changed by somebody else just now; look again."]
    assert (row().rules(), logged()) == (zone.rules(), [])


def test_a_typing_error_does_not_make_an_old_question_a_new_one(desk: Client) -> None:
    zone = zone_make()
    asked = act(desk, "clear_line", zone)
    blocked = services.zone_update(actor=None, zone_id="concert", expected_version=zone.version, mode="blocked")
    again = confirm(desk, asked, typed="concerto")
    assert again.status_code == 200
    response = confirm(desk, again, typed="concert")
    assert said(response) == ["Concert was changed by somebody else just now; look again."]
    assert (row().rules(), logged()) == (blocked.rules(), [])
