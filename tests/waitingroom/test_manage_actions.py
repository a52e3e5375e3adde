"""What managers do on a zone's page: every action with its reason, and what is wrong told and kept."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.waitingroom.manage.forms import MOMENT
from apps.waitingroom.models import Role, ZoneChange
from tests.waitingroom.desks import Desk, act, local, page, person, row, said
from tests.waitingroom.zones import crowd_join, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_n_is_changed_with_a_reason(desk: Desk) -> None:
    zone_make(per_minute=60)
    response = act(desk(Role.OPERATOR), "rate", per_minute="1,200", why="doors are wide")
    assert (response.status_code, response["Location"]) == (302, "/manage/zones/concert/")
    assert said(response) == ["Entries a minute: changed."]
    assert (row().per_minute, told()["concert"].per_minute) == (1_200, 1_200)
    change = ZoneChange.objects.first()
    assert change is not None
    assert (change.who, change.before, change.after, change.why) == (
        person("hana"),
        {"per_minute": 60},
        {"per_minute": 1_200},
        "doors are wide",
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("-1", "greater than or equal to 0"),
        ("10000001", "less than or equal to 10000000"),
        ("9" * 300, "less than or equal to 10000000"),
        ("9" * 5_000, "whole number"),
        ("1.5", "whole number"),
        ("", "required"),
        ("<script>", "whole number"),
    ],
)
def test_an_impossible_n_is_told_and_kept(desk: Desk, typed: str, message: str) -> None:
    zone = zone_make(per_minute=60)
    response = act(desk(Role.OPERATOR), "rate", per_minute=typed, why="a slip")
    shown = response.content.decode()
    assert response.status_code == 400
    assert message in shown
    assert 'value="a slip"' in shown
    assert (row().per_minute, row().version) == (60, zone.version)


def test_zero_stops_the_line_and_is_allowed(desk: Desk) -> None:
    zone = zone_make(per_minute=1)
    crowd_join(zone, 3)
    client = desk(Role.OPERATOR)
    assert act(client, "rate", per_minute="0").status_code == 302
    assert row().per_minute == 0
    assert "At 0 a minute the line of 2 does not move." in page(client)


def test_modes_are_one_click_and_dangerous_ones_two(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    for mode in ("paused", "queue-all", "open"):
        assert act(client, "mode", mode=mode).status_code == 302
        assert (row().mode, told()["concert"].mode) == (mode, mode)
    shown = page(client)
    for mode in ("blocked", "bypass", "observe"):
        fold = re.search(rf"<details[^>]*>\s*<summary[^>]*data-mode-of=\"{mode}\".*?</details>", shown, re.S)
        assert fold is not None
        assert 'class="button danger"' in fold[0]
        assert " open" not in fold[0].partition(">")[0]
    assert act(client, "block", message="Back at nine.", message_ko="아홉 시에.").status_code == 302
    assert (row().mode, row().message, row().message_ko) == ("blocked", "Back at nine.", "아홉 시에.")
    for mode in ("bypass", "observe"):
        assert act(client, mode, mode=mode).status_code == 302
        assert row().mode == mode
    assert act(client, "mode", mode="nonsense").status_code == 400
    assert client.post("/manage/zones/concert/nonsense/", {}).status_code == 404


def test_the_message_is_shown_to_those_who_wait(desk: Desk) -> None:
    zone_make()
    response = act(desk(Role.OPERATOR), "message", message="Line one\r\nline two", message_ko="조금만 더")
    assert response.status_code == 302
    assert (told()["concert"].message, told()["concert"].message_ko) == ("Line one\nline two", "조금만 더")
    response = act(desk(Role.OPERATOR), "message", message="x" * 501)
    assert response.status_code == 400
    assert "x" * 501 in response.content.decode()
    assert row().message == "Line one\nline two"


def test_an_event_is_scheduled_and_taken_away(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    opens, gathers = local(60), local(30)
    assert act(client, "schedule", opens_at=opens, prequeue_from=gathers, is_sure="yes").status_code == 302
    found = row()
    assert found.opens_at is not None
    assert found.prequeue_from is not None
    assert [timezone.localtime(one).strftime(MOMENT) for one in (found.opens_at, found.prequeue_from)] == [
        opens,
        gathers,
    ]
    assert f'value="{opens}"' in page(client)
    assert act(client, "schedule", opens_at="", prequeue_from="").status_code == 302
    assert (row().opens_at, row().prequeue_from) == (None, None)


@pytest.mark.parametrize(
    ("opens", "gathers", "message"),
    [
        (-5, None, "This moment has passed"),
        (-5, -10, "This moment has passed"),
        (60, -10, "This moment has passed"),
        (60, 70, "Needs an opening that comes after it"),
        (None, 10, "A pre-queue needs an opening"),
        ("2026-13-45T99:99", None, "Enter a valid date/time"),
        ("9999-12-31T23:59", None, "Must lie between 1970 and 2200"),
    ],
)
def test_an_impossible_schedule_is_told_and_kept(desk: Desk, opens: Any, gathers: Any, message: str) -> None:
    zone = zone_make()
    typed = {
        "opens_at": local(opens) if isinstance(opens, int) else opens or "",
        "prequeue_from": local(gathers) if gathers is not None else "",
    }
    response = act(desk(Role.OPERATOR), "schedule", **typed, why="a try")
    shown = response.content.decode()
    assert response.status_code == 400
    assert message in shown
    assert 'value="a try"' in shown
    for value in filter(None, typed.values()):
        assert f'value="{value}"' in shown
    assert row().version == zone.version


def test_an_event_that_gathers_keeps_its_start(desk: Desk) -> None:
    zone = zone_make(opens_at=timezone.now() + timedelta(minutes=30), prequeue_from=timezone.now())
    client = desk(Role.OPERATOR)
    response = act(client, "schedule", prequeue_from=local(5))
    assert response.status_code == 400
    assert "A pre-queue has been running here since" in response.content.decode()
    assert row().version == zone.version
    assert act(client, "schedule", opens_at=local(90)).status_code == 302  # put off, and its people keep their places


def test_a_line_is_cleared_by_who_types_its_id(desk: Desk) -> None:
    zone = zone_make(per_minute=1)
    crowd_join(zone, 6)
    client = desk(Role.OWNER)
    assert "5 people lose their places" in page(client)
    for typed in ("", "Concert", "concert2"):
        response = act(client, "clear", typed=typed)
        assert response.status_code == 400
        standing = line_of("concert")
        assert standing is not None
        assert standing.waiting == 5
    response = act(client, "clear", typed=" concert ", why="a test crowd")
    assert response.status_code == 302
    assert row().epoch > zone.epoch
    line = line_of("concert")
    assert line is not None
    assert line.waiting == 0
    change = ZoneChange.objects.first()
    assert change is not None
    assert (change.action, change.why, change.before["waiting"]) == ("cleared", "a test crowd", 5)
