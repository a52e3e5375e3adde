"""That alerts see nothing is told as well: Redis, gates and reconciliation, each by itself."""

from collections.abc import Callable

import pytest

from apps.operations.models import AlertEvent, AlertState
from tests.operations.alert_stage import channel_make, drift_is, gate_reports, gate_tells, look, notices, rule_make
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


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
    assert firing() == [("no gate keeps up with a line in which people wait", 75)]
    gate_tells(crowded, at_s=105)
    look(105, 0)
    assert firing() == []
    assert notices() == [("ops", "trouble", "waiting"), ("ops", "recovery", "waiting")]


def test_a_house_without_gates_and_lines_lacks_nothing() -> None:
    rule()
    zone_make()
    for at_s in range(0, 180, 15):
        look(at_s, 0)
    gate_reports(at_s=180)
    look(180, 0)
    assert (AlertEvent.objects.count(), AlertState.objects.count()) == (0, 0)


def test_nobody_compares_counts() -> None:
    rule()
    drift_is(0)
    for at_s in range(0, 255, 15):
        look(at_s)
        assert firing() == [], at_s
    look(270)
    assert [place for place, _value in firing()] == ["viewer counts are not compared with what servers hold"]


def test_what_was_not_looked_at_for_a_while_begins_anew() -> None:
    rule()
    for at_s in (0, 15, 200, 215, 230, 245, 260):
        look(at_s)
    assert firing() == []
    look(275)
    assert len(firing()) == 1
