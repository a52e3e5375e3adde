"""The operators' dashboard while Redis is away, or holds what nobody understands: a dash, no zero and no fault."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.audience import house_store
from apps.operations import job_store
from apps.operations.dashboard import dashboard_read
from apps.realtime.redis import run_now
from apps.waitingroom import board_store
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_lines_that_cannot_be_read_are_a_dash(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    zone_make(per_minute=60)
    desk = Client()
    desk.force_login(operator_ensure(username="boss", password="a long enough pass"))
    private_redis.stop()
    zones = dashboard_read().zones
    assert zones is not None
    assert (zones.total, zones.waiting, zones.troubled) == (1, None, 1)
    assert [(zone.waiting, zone.entering, zone.wait_s) for zone in zones.worst] == [(None, None, None)]
    page = desk.get("/admin/").content.decode()
    assert '<dd data-total="waiting">—</dd>' in page
    assert "The line cannot be read now" in page


def unreadable(part: str) -> list[Any]:
    """What another release may have written, or what expired between two commands of a report."""
    now_ms = int(time.time() * 1000)
    return {
        "drift": [("HSET", house_store.RECONCILED, "at_ms", now_ms)],
        "servers": house_store.server_report(server="s", now_ms=now_ms, about={"sockets": "some"}),
        "jobs": [("HSET", job_store.JOBS, "apps.audience.tasks.sweep:ok", "a while ago")],
        "top": [house_store.rank(None, {7: 5}), ("HSET", house_store.CATALOG, 7, "not JSON")],
    }[part]


@pytest.mark.parametrize("part", ["drift", "servers", "jobs", "top"])
@pytest.mark.parametrize("path", ["/admin/", "/admin/dashboard/"])
def test_what_another_release_wrote_is_a_dash_and_other_parts_are_shown(
    part: str, path: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_now([house_store.house_put(660), *unreadable(part)])
    desk = Client()
    desk.force_login(operator_ensure(username="boss", password="a long enough pass"))
    answer = desk.get(path)
    assert answer.status_code == 200
    assert '<dd data-total="viewers">660</dd>' in answer.content.decode()
    assert "the dashboard cannot understand" in caplog.text
    house = dashboard_read()
    assert (getattr(house, part), house.viewers, house.is_reachable) == (None, 660, True)


def test_a_process_that_has_not_said_where_it_is_stands_there_by_its_id(redis_url: str) -> None:
    now_ms = int(time.time() * 1000)
    run_now(
        [
            *house_store.server_report(server="s1", now_ms=now_ms, about={"role": "core"}),
            board_store.gate_report(gate="g1", sockets={}),
            *board_store.gate_about(gate="g1", about={"pid": 9}),
        ]
    )
    house = dashboard_read()
    assert house.servers is not None
    assert house.gates is not None
    assert [(server.place, server.role) for server in house.servers] == [("s1", "core")]
    assert [gate.place for gate in house.gates] == ["g1"]


@pytest.mark.parametrize("told", ["not JSON", "[1]", '{"door": "many"}', '{"door": null}', "7"])
def test_a_gate_that_tells_what_nobody_understands_is_there_all_the_same(told: str, redis_url: str) -> None:
    zone_make()
    run_now([board_store.gate_report(gate="g1", sockets={}), ("HSET", board_store.GATES, "g1", told)])
    house = dashboard_read()
    assert house.gates is not None
    assert [(gate.place, gate.zones, gate.sockets) for gate in house.gates] == [("g1", 0, 0)]
    assert house.zones is not None
    assert (house.zones.total, house.zones.waiting) == (1, 0)
