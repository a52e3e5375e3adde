"""Processes that fell silent are what somebody looks for on the first page, most of all when there are very many."""

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.audience import house_store
from apps.operations.dashboard import Dashboard, dashboard_read
from apps.operations.dashboard_house import SERVERS_SHOWN, SILENT_SHOWN
from apps.realtime.clock import epoch_ms
from apps.realtime.redis import Command, run_now
from apps.waitingroom import board_store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def server(name: str, *, age_ms: int = 0) -> list[Command]:
    return house_store.server_report(server=name, now_ms=epoch_ms() - age_ms, about={"host": name, "pid": 1})


def gate(name: str, *, age_ms: int = 0) -> list[Command]:
    return [
        board_store.gate_report(gate=name, sockets={"door": 7}, now_ms=epoch_ms() - age_ms),
        *board_store.gate_about(gate=name, about={"host": name, "pid": 2}),
    ]


def servers(house: Dashboard) -> list[tuple[str, bool]]:
    assert house.servers is not None
    return [(one.place, one.is_silent) for one in house.servers]


def left(house: Dashboard) -> tuple[int, int]:
    assert house.unshown is not None
    return house.unshown.total, house.unshown.silent


def page() -> str:
    desk = Client()
    desk.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return desk.get("/admin/dashboard/").content.decode()


def test_a_silent_one_is_shown_among_a_thousand(redis_url: str) -> None:
    run_now([command for n in range(1_000) for command in server(f"web{n:04}")])
    run_now(server("gone", age_ms=300_000))
    house = dashboard_read()
    shown = servers(house)
    assert (shown[0], len(shown)) == (("gone:1", True), SERVERS_SHOWN)
    assert left(house) == (1_000 - SERVERS_SHOWN + 1, 0)
    told = page()
    assert "gone:1" in told
    assert "951 more processes are not shown; silent: 0" in told


def test_of_many_silent_ones_the_last_are_shown_and_the_rest_is_counted(redis_url: str) -> None:
    run_now([command for n in range(600) for command in server(f"dead{n:03}", age_ms=30_000 + n * 100)])
    run_now([command for n in range(60) for command in server(f"web{n:03}")])
    house = dashboard_read()
    shown = servers(house)
    assert [is_silent for _, is_silent in shown] == [True] * SILENT_SHOWN + [False] * (SERVERS_SHOWN - SILENT_SHOWN)
    assert [place for place, _ in shown[:SILENT_SHOWN]] == [f"dead{n:03}:1" for n in range(SILENT_SHOWN)]
    assert left(house) == (660 - SERVERS_SHOWN, 600 - SILENT_SHOWN)
    assert "610 more processes are not shown; silent: 575" in page()


def test_room_that_nobody_needs_is_the_silent_ones(redis_url: str) -> None:
    run_now([command for n in range(60) for command in server(f"dead{n:03}", age_ms=30_000)])
    run_now([command for n in range(5) for command in server(f"web{n:03}")])
    house = dashboard_read()
    assert [is_silent for _, is_silent in servers(house)] == [True] * 45 + [False] * 5
    assert left(house) == (15, 15)


def test_a_gate_that_was_killed_is_marked_silent(redis_url: str) -> None:
    run_now([*gate("lost", age_ms=20_000), *gate("there"), *server("web")])
    house = dashboard_read()
    assert [one.place for one in house.processes] == ["lost:2", "web:1", "there:2"]
    assert house.gates is not None
    assert [(one.place, one.is_silent, one.zones, one.sockets) for one in house.gates] == [
        ("lost:2", True, None, None),
        ("there:2", False, 1, 7),
    ]
    assert left(house) == (0, 0)
    told = page()
    assert told.count("silent since") == 1
    assert "data-unshown" not in told


def test_a_gate_that_said_goodbye_is_not_there(redis_url: str) -> None:
    run_now([*gate("left"), *gate("there"), *board_store.gate_gone("left")])
    house = dashboard_read()
    assert house.gates is not None
    assert [one.place for one in house.gates] == ["there:2"]
