"""That alerts see nothing is told as well: Redis, gates and reconciliation, each by itself."""

from collections.abc import Callable

import pytest

from apps.operations import alert_figures
from apps.operations.alert_kinds import AlertKind
from apps.operations.models import AlertEvent, AlertState
from apps.realtime import redis
from apps.waitingroom import board_store
from tests.operations.alert_stage import (
    NOON,
    channel_make,
    drift_is,
    gate_reports,
    gate_tells,
    look,
    notices,
    rule_make,
)
from tests.services.redis_server import RedisServer
from tests.waitingroom.managing import commands
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
NO_GATE = "no gate keeps up with a line in which people wait, or none is there at all"


def rule() -> None:
    rule_make(channel_make(), name="unread", kind="unread", limit=None, hold_s=None)


def firing() -> list[tuple[str, float]]:
    return list(AlertEvent.objects.filter(closed_at=None).order_by("subject").values_list("place", "last_value"))


def test_redis_is_away(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    zone = zone_make(mode="queue-all", per_minute=0)
    crowd_join(zone, 3)
    gate_tells(zone)
    rule()
    rule_make(name="line", kind="line", limit=0)
    look(0, 5)
    assert firing() == [("Concert (concert)", 3)]
    private_redis.stop()
    for at_s in (15, 30, 45, 60, 75):
        look(at_s)
        assert [place for place, _value in firing()] == ["Concert (concert)"]
    look(90)
    # What was trouble before is so still, for all that anybody knows; nothing else is made of it.
    assert firing() == [("Concert (concert)", 3), ("Redis does not answer", 75)]
    private_redis.start()
    look(105, 5)
    assert firing() == [("Concert (concert)", 3)]
    assert notices() == [("ops", "trouble", "waiting"), ("ops", "recovery", "waiting")]


def test_no_gate_keeps_up_with_people_who_wait() -> None:
    rule()
    empty, crowded = zone_make("empty"), zone_make("crowded", mode="queue-all", per_minute=0)
    crowd_join(crowded, 3)
    gate_tells(empty, crowded)
    for at_s in range(0, 90, 15):  # the gate tells no more from here on
        look(at_s, 0)
        assert firing() == [], at_s
    look(90, 0)
    assert firing() == [(NO_GATE, 75)]
    gate_tells(crowded, at_s=105)
    look(105, 0)
    assert firing() == []
    assert notices() == [("ops", "trouble", "waiting"), ("ops", "recovery", "waiting")]


def test_the_only_gate_says_goodbye() -> None:
    rule()
    zone_make()
    gate_reports()
    look(0, 0)
    redis.ask_now(board_store.gate_gone("g1"))
    for at_s in range(15, 90, 15):
        look(at_s, 0)
        assert firing() == [], at_s
    look(90, 0)
    assert firing() == [(NO_GATE, 75)]
    gate_reports(at_s=105)
    look(105, 0)
    assert firing() == []


def test_it_is_not_over_when_the_lines_of_dead_gates_are_forgotten() -> None:
    rule()
    crowded = zone_make("crowded", mode="queue-all", per_minute=0)
    crowd_join(crowded, 3)
    gate_tells(crowded)
    for at_s in range(0, 105, 15):
        look(at_s, 0)
    redis.ask_now(board_store.lines_tell({}, asleep=["crowded"]))  # everybody was evicted
    for at_s in range(105, 240, 15):
        look(at_s, 0)
    assert firing() == [(NO_GATE, 225 - 15)]
    assert notices() == [("ops", "trouble", "waiting")]


def test_a_house_without_zones_needs_no_gates_and_with_one_no_lines() -> None:
    rule()
    for at_s in range(0, 180, 15):
        look(at_s, 0)
    zone_make()
    for at_s in range(180, 360, 15):
        gate_reports(at_s=at_s)
        look(at_s, 0)
    assert (AlertEvent.objects.count(), AlertState.objects.count()) == (0, 0)


def test_nobody_compares_counts() -> None:
    rule()
    drift_is(0)
    for at_s in range(0, 255, 15):
        look(at_s)
        assert firing() == [], at_s
    look(270)
    assert [place for place, _value in firing()] == ["viewer counts are not compared with what servers hold"]


def test_what_was_so_before_and_is_after_a_time_in_which_nobody_looked_was_so_meanwhile() -> None:
    """What is away is mostly why nobody looked."""
    rule()
    look(0)
    look(200)
    assert [value for _place, value in firing()] == [200]


def test_after_a_long_time_in_which_nobody_looked_it_begins_anew() -> None:
    rule()
    for at_s in (0, 15, 616, 631, 646, 661, 676):
        look(at_s)
        assert firing() == [], at_s
    look(691)
    assert [value for _place, value in firing()] == [75]


def test_a_redis_that_hangs_is_asked_once(
    private_redis: RedisServer, use_redis: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(redis.TIMEOUTS, "socket_timeout", 0.5)
    monkeypatch.setattr(alert_figures, "PATIENCE_S", 0.3)
    use_redis(private_redis.url)
    rule()
    for kind in ("drift", "silent", "late", "job"):
        rule_make(name=kind, kind=kind)
    before = commands()
    private_redis.pause()
    house = alert_figures.house_read(kinds=set(AlertKind), now_ms=NOON)
    private_redis.resume()
    assert (house.zones, house.drift, house.servers, house.jobs) == (None, None, None, None)
    assert house.is_redis_away
    assert house.snapshot_age_s == 0  # the database is asked all the same
    # What it was asked meanwhile it answers now, to nobody.
    asked = commands() - before
    assert (asked["evalsha"], asked["zrange"]) == (1, 0)
