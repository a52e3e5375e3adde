"""What rules about zones look at: what gates tell of lines, of all of them at once; what nobody tells is unknown."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.operations import alert_figures
from apps.operations.alert_figures import house_read, readings
from apps.operations.alert_lines import ENDLESS_S
from apps.operations.alert_readings import Reading
from apps.operations.models import AlertRule
from apps.waitingroom import board_store
from apps.waitingroom.models import Zone
from apps.waitingroom.services import zone_update
from tests.operations.alert_stage import NOON, gate_reports, gate_tells, look, rule_make
from tests.services.both import on_both
from tests.waitingroom.managing import commands
from tests.waitingroom.zones import ask, crowd_join, crowd_seen, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def read(kind: str, memories: dict[str, Any] | None = None, *, at_s: float = 0) -> dict[str, Reading] | None:
    house = house_read(kinds={kind}, now_ms=NOON + int(at_s * 1000))
    return readings(AlertRule(name=kind, kind=kind), house, memories or {})


def figures(kind: str, *, at_s: float = 0) -> dict[str, float | None]:
    found = read(kind, at_s=at_s)
    assert found is not None
    return {subject: reading.value for subject, reading in found.items()}


def change(zone: Zone, **changes: Any) -> Zone:
    return zone_update(actor=None, zone_id=zone.pk, expected_version=zone.version, **changes)


def test_people_in_line() -> None:
    one, _two = zone_make("one", mode="queue-all", per_minute=0, name_ko="하나"), zone_make("two")
    crowd_join(one, 7)
    gate_tells(one)
    assert read("line") == {"one": Reading(7, "One (one)", "하나 (one)"), "two": Reading(0, "Two (two)", "Two (two)")}


@on_both
def test_a_line_that_no_gate_keeps_up_with_is_unknown_and_no_other_is(redis_url: str) -> None:
    lost, left, left_empty, odd, fine = (zone_make(name, mode="queue-all", per_minute=0) for name in "abcde")
    crowd_join(left, 3)
    crowd_join(fine, 2)
    gate_tells(lost, lost=True)
    gate_tells(left, left_empty, at_s=-5.001)
    ask(("HSET", board_store.LINES, odd.pk, "not a line"))
    gate_tells(fine, at_s=-5)
    assert figures("line") == {"a": None, "b": None, "c": 0, "d": 0, "e": 2}


def test_without_any_gate_nothing_is_known_of_lines_that_nobody_tells_of() -> None:
    zone = zone_make()
    assert figures("line") == {"concert": None}
    gate_reports()
    assert figures("line") == {"concert": 0}
    assert figures("line", at_s=15) == {"concert": 0}
    assert figures("line", at_s=15.001) == {"concert": None}
    gate_tells(zone)
    assert figures("line") == {"concert": 0}


def test_a_front_that_stands_still_while_the_line_grows() -> None:
    zone = zone_make(mode="paused", per_minute=60)
    crowd_join(zone, 5, now_ms=NOON)
    gate_tells(zone)
    memory = read("still")["concert"].memory  # type: ignore[index]
    crowd_join(zone, 1, batch=2, now_ms=NOON + 90_000)
    gate_tells(zone, at_s=90)
    found = read("still", {"concert": memory}, at_s=90)["concert"]  # type: ignore[index]
    assert found.value == 90
    change(zone, mode="queue-all")
    crowd_seen(zone, range(6), now_ms=NOON + 96_000)  # the front moves on
    gate_tells(zone, at_s=97)
    assert read("still", {"concert": found.memory}, at_s=97)["concert"].value == 0  # type: ignore[index]


def test_before_the_opening_everybody_knows_that_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(NOON / 1000, tz=UTC))
    opens_at = datetime.fromtimestamp(NOON / 1000 + 600, tz=UTC)
    zone = zone_make(per_minute=10, opens_at=opens_at, prequeue_from=opens_at - timedelta(minutes=10))
    crowd_join(zone, 50, now_ms=NOON)
    for at_s in (0, 599):
        gate_tells(zone, at_s=at_s)
        for kind in ("still", "wait", "underused"):
            assert figures(kind, at_s=at_s) == {"concert": 0}
        assert figures("line", at_s=at_s) == {"concert": 50}
    gate_tells(zone, at_s=600)
    assert figures("wait", at_s=600) == {"concert": 300}


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 300),
        ({"per_minute": 1}, 3_000),
        ({"per_minute": 0}, ENDLESS_S),
        ({"mode": "paused"}, ENDLESS_S),
        ({"mode": "bypass"}, 0),  # everybody goes in at once
        ({"mode": "observe"}, 0),
    ],
)
def test_who_joins_now_waits(changes: dict[str, Any], seconds: float) -> None:
    zone = zone_make(mode="queue-all", per_minute=10)
    gate_tells(zone)
    assert figures("wait") == {"concert": 0}
    crowd_join(zone, 50)
    if changes:
        change(zone, **changes)
    gate_tells(zone)
    assert figures("wait") == {"concert": seconds}


@pytest.mark.parametrize(
    ("waiting", "count", "percent"), [(100, 25, 75), (100, 100, 0), (100, 120, 0), (75, 25, 75), (74, 25, 0), (0, 0, 0)]
)
def test_entries_that_nobody_uses_though_enough_wait(waiting: int, count: int, percent: float) -> None:
    zone = zone_make(mode="queue-all", per_minute=100)
    if waiting:
        crowd_join(zone, waiting)
    gate_tells(zone, entering=count)
    assert figures("underused") == {"concert": percent}


@pytest.mark.parametrize("changes", [{"mode": "paused"}, {"mode": "blocked"}, {"per_minute": 0}])
def test_a_zone_that_lets_nobody_in_leaves_nothing_unused(changes: dict[str, Any]) -> None:
    zone = zone_make(mode="queue-all", per_minute=100)
    crowd_join(zone, 500)
    change(zone, **changes)
    gate_tells(zone)
    assert figures("underused") == {"concert": 0}


# --- what it costs, and whose clock it is -----------------------------------------------------------------------------


def test_all_lines_are_one_call_however_many_there_are() -> None:
    for number in range(30):
        zone_make(f"z{number}")
    gate_reports()
    for kind in ("line", "still", "wait", "underused"):
        rule_make(name=kind, kind=kind, limit=0)
    look(0)
    before = commands()
    look(15)
    # One script, and what it calls.
    assert commands() - before == Counter({"evalsha": 1, "mget": 1, "hgetall": 2, "zrangebyscore": 1})


def test_the_clock_is_that_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    rule_make(kind="line", limit=0)
    seconds, micros = ask(("TIME",))
    redis_ms = seconds * 1000 + micros // 1000
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: redis_ms / 1000 + 3_600)  # the worker's is an hour ahead
        house = house_read(kinds={"drift"})
    assert 0 <= house.now_ms - redis_ms < 60_000


def test_without_redis_it_is_that_of_the_worker(private_redis: Any, use_redis: Any) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    before = datetime.now(UTC).timestamp() * 1000
    house = house_read(kinds={"line"})
    assert -1 <= house.now_ms - before < 60_000
    assert (house.zones, house.is_redis_away) == (None, True)


def test_what_no_rule_wants_is_not_read() -> None:
    zone_make()
    before = commands()
    assert house_read(kinds=set(), now_ms=NOON) == alert_figures.House(NOON)
    assert commands() == before
    house_read(kinds={"line", "wait"}, now_ms=NOON)
    assert (commands() - before)["evalsha"] == 1  # for all rules about zones together
