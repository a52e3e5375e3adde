"""Minutes of lines in zone_statistics: right figures, each minute once, nothing lost and nothing doubled."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from apps.waitingroom import store
from apps.waitingroom.models import Zone, ZoneStatistic
from apps.waitingroom.statistics import (
    KEPT_MINUTES,
    SETTLED_AFTER_S,
    statistics_forget,
    statistics_write,
    wait_quantile,
)
from tests.analytics.house import at_once
from tests.services.both import on_both
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import ask, crowd_join, crowd_seen, zone_make

NOON = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOON_MINUTE = int(NOON.timestamp()) // 60
FIELDS = ("joins", "entries", "evicted", "left", "refused", "would_wait", "waiting", "wait_p50", "wait_p90", "wait_p99")


def happened(zone: Zone, minutes_after_noon: int, **counted: int) -> None:
    """Put a minute's counts where the line's scripts put them."""
    flat: list[Any] = [part for name, value in counted.items() for part in (name.replace("wait_", "wait:"), value)]
    ask(("HSET", f"line:{{{zone.pk}}}:stats:{NOON_MINUTE + minutes_after_noon}", *flat))


def after(minutes: int, seconds: float = SETTLED_AFTER_S) -> datetime:
    """The moment when minute `minutes` - 1 after noon has just settled."""
    return NOON + minutes * MINUTE + timedelta(seconds=seconds)


def kept() -> dict[tuple[str, int], tuple[Any, ...]]:
    """All of zone_statistics: (zone, minutes after noon) -> figures."""
    return {
        (row["zone_id"], int((row["minute"] - NOON) / MINUTE)): tuple(row[name] for name in FIELDS)
        for row in ZoneStatistic.objects.values("zone_id", "minute", *FIELDS)
    }


# --- quantiles ----------------------------------------------------------------------------------------------------


def bucket_of(seconds: float) -> int:
    """As lua/calling.lua counts."""
    return math.floor(8 * math.log2(1 + seconds))


@given(st.lists(st.floats(0, 86_400), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_a_tenth_and_never_too_short(waited: list[float], share: float) -> None:
    waits: dict[int, int] = {}
    for seconds in waited:
        waits[bucket_of(seconds)] = waits.get(bucket_of(seconds), 0) + 1
    exact = sorted(waited)[math.ceil(share * len(waited)) - 1]
    found = wait_quantile(waits, share)
    assert found is not None
    assert exact - 0.5 <= found <= 1.1 * (1 + exact)


@pytest.mark.parametrize(
    ("waits", "quantiles"),
    [
        ({}, (None, None, None)),
        ({0: 7}, (0, 0, 0)),
        ({bucket_of(60): 1}, (63, 63, 63)),
        ({0: 50, bucket_of(10): 40, bucket_of(100): 9, bucket_of(1000): 1}, (0, 10, 107)),
        ({bucket_of(10): 1, bucket_of(100): 1}, (10, 107, 107)),
    ],
)
def test_quantiles(waits: dict[int, int], quantiles: tuple[int | None, ...]) -> None:
    assert tuple(wait_quantile(waits, share) for share in (0.5, 0.9, 0.99)) == quantiles


# --- minutes ------------------------------------------------------------------------------------------------------


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@on_both
def test_what_a_line_did_is_written_when_its_minute_is_over(redis_url: str) -> None:
    """With the scripts that count it: 10 a minute, 30 come, two leave, the silent are put out."""
    zone = zone_make(per_minute=10, poll_ms=1_000, idle_s=10)
    noon_ms = int(NOON.timestamp() * 1000)
    joined = crowd_join(zone, 30, now_ms=noon_ms)
    assert (joined.entered, joined.waiting) == (10, 20)
    first = joined.first + joined.entered
    left = store.leave(zone_id=zone.pk, epoch=zone.epoch, places=[first + 18, first + 19], now_ms=noon_ms + 1_000)
    assert store.leave_read(ask(left)).results == [True, True]
    for second in range(1, 60, 2):
        crowd_seen(zone, range(first, first + 5), now_ms=noon_ms + second * 1_000)
    statistics_write(now=after(1))
    assert kept() == {("concert", 0): (30, 10, 13, 2, 0, 0, 5, 0, 0, 0)}
    assert ZoneStatistic.objects.get().peak == 18  # at the first look: two had left


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@on_both
def test_a_zone_where_nothing_happens_writes_nothing(redis_url: str) -> None:
    zone = zone_make(mode="queue-all")
    noon_ms = int(NOON.timestamp() * 1000)
    for second in range(0, 180, 5):
        crowd_seen(zone, [], now_ms=noon_ms + second * 1_000)
        if second == 60:
            joined = crowd_join(zone, 1, now_ms=noon_ms + 60_000)
        if second == 65:
            ask(store.leave(zone_id=zone.pk, epoch=zone.epoch, places=[joined.first], now_ms=noon_ms + 66_000))
    assert ask(store.evict(zone_id=zone.pk, now_ms=noon_ms + 185_000))
    statistics_write(now=after(4))
    assert kept() == {("concert", 1): (1, 0, 0, 1, 0, 0, 0, None, None, None)}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@on_both
def test_who_was_last_is_told_to_be_gone(redis_url: str) -> None:
    """Whoever leaves after a minute's last look at the line stands in it there; the next one says that nobody does."""
    zone = zone_make(mode="queue-all", per_minute=1)
    noon_ms = int(NOON.timestamp() * 1000)
    joined = crowd_join(zone, 1, now_ms=noon_ms + 50_000)
    for second in range(51, 60, 2):
        crowd_seen(zone, [joined.first], now_ms=noon_ms + second * 1_000)
    ask(store.leave(zone_id=zone.pk, epoch=zone.epoch, places=[joined.first], now_ms=noon_ms + 59_500))
    for second in range(61, 240, 2):
        crowd_seen(zone, [], now_ms=noon_ms + second * 1_000)
    statistics_write(now=after(4))
    assert kept() == {
        ("concert", 0): (1, 0, 0, 1, 0, 0, 1, None, None, None),
        ("concert", 1): (0, 0, 0, 0, 0, 0, 0, None, None, None),
    }


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at_once", [1, 3, 10, 5_000])
def test_old_minutes_are_forgotten_in_parts(at_once: int, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.waitingroom.statistics.FORGOTTEN_AT_ONCE", at_once)
    settings.ZONE_STATISTICS_KEPT_DAYS = 30
    zones = [zone_make("a"), zone_make("b")]
    for zone in zones:
        for minute in range(6):
            happened(zone, minute, joins=1)
    statistics_write(now=after(6))
    later = NOON + timedelta(days=30)
    assert statistics_forget(now=later) == 0
    assert statistics_forget(now=later + 4 * MINUTE + timedelta(seconds=1)) == 10
    assert sorted(kept()) == [("a", 5), ("b", 5)]
    settings.ZONE_STATISTICS_KEPT_DAYS = 0
    assert statistics_forget(now=later + timedelta(days=9_999)) == 0
    assert len(kept()) == 2


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
class TestMinutes:
    """Minutes put into Redis by hand."""

    def test_every_figure_has_its_column(self) -> None:
        zone = zone_make()
        happened(
            zone, 0, joins=1, entries=2, evicted=3, left=4, refused=5, would_wait=6, waiting=7, wait_0=50, wait_27=50
        )
        assert statistics_write(now=after(1)) == 1
        assert kept() == {("concert", 0): (1, 2, 3, 4, 5, 6, 7, 0, 10, 10)}

    def test_a_minute_is_not_written_before_it_has_settled(self) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1)
        assert statistics_write(now=after(1, seconds=SETTLED_AFTER_S - 1)) == 0
        assert kept() == {}
        assert statistics_write(now=after(1)) == 1

    def test_a_repeat_changes_nothing(self) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1, waiting=1, wait_0=1)
        statistics_write(now=after(1))
        before = kept()
        for _ in range(2):
            statistics_write(now=after(1))
        statistics_write(now=after(2))
        assert kept() == before

    def test_a_minute_in_which_nothing_happened_has_no_row(self) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1)
        happened(zone, 3, joins=4)
        assert statistics_write(now=after(5)) == 2
        assert sorted(kept()) == [("concert", 0), ("concert", 3)]

    def test_zones_are_kept_apart(self) -> None:
        zones = [zone_make(f"z{number}") for number in range(45)]  # three reads of ZONES_AT_ONCE
        for number, zone in enumerate(zones):
            happened(zone, 0, joins=number + 1)
        assert statistics_write(now=after(1)) == 45
        assert {zone_id: figures[0] for (zone_id, _), figures in kept().items()} == {
            f"z{number}": number + 1 for number in range(45)
        }

    def test_two_hours_without_workers_are_made_good_and_no_more(self) -> None:
        zone = zone_make()
        for minute in range(KEPT_MINUTES + 2):
            happened(zone, minute, joins=minute + 1)
        assert statistics_write(now=after(KEPT_MINUTES + 2)) == KEPT_MINUTES
        assert kept() == {
            ("concert", minute): (minute + 1, *[0] * 6, None, None, None) for minute in range(2, KEPT_MINUTES + 2)
        }

    def test_a_run_reads_on_from_the_one_before(self, redis_server: RedisServer) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1)
        statistics_write(now=after(3))
        happened(zone, 1, joins=9)  # nobody looks back further than the last minute written
        happened(zone, 2, joins=2)
        happened(zone, 3, joins=3)
        statistics_write(now=after(4))
        assert {minute: figures[0] for (_, minute), figures in kept().items()} == {0: 1, 2: 2, 3: 3}

    def test_the_last_minute_is_read_once_more(self) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1, waiting=5)
        statistics_write(now=after(1))
        happened(zone, 0, joins=2, waiting=6)  # Redis's clock was behind: its minute had not ended
        statistics_write(now=after(2))
        assert kept()["concert", 0][:7] == (2, 0, 0, 0, 0, 0, 6)

    def test_what_redis_lost_meanwhile_is_not_lost_here(self, redis_server: RedisServer) -> None:
        zone = zone_make()
        happened(zone, 0, joins=7, entries=7)
        statistics_write(now=after(1))
        redis_server.flush()
        statistics_write(now=after(2))
        assert kept()["concert", 0][:2] == (7, 7)
        happened(zone, 1, joins=1)
        statistics_write(now=after(2))
        happened(zone, 1, entries=1)
        statistics_write(now=after(3))
        assert kept()["concert", 1][:2] == (1, 1)

    def test_without_redis_nothing_is_marked_as_written(
        self, private_redis: RedisServer, use_redis: Callable[[str], str]
    ) -> None:
        use_redis(private_redis.url)
        zone = zone_make()
        private_redis.kill()
        with pytest.raises(RedisError):
            statistics_write(now=after(1))
        assert kept() == {}
        zone.refresh_from_db()
        assert zone.counted_to is None

    def test_a_minute_that_cannot_be_read_is_tried_again_and_harms_no_other_zone(self) -> None:
        good, bad = zone_make("good"), zone_make("bad")
        happened(good, 0, joins=1)
        happened(bad, 0, joins=1)
        ask(("SET", f"line:{{bad}}:stats:{NOON_MINUTE + 1}", "not a hash"))
        statistics_write(now=after(2))
        assert sorted(kept()) == [("bad", 0), ("good", 0)]
        good.refresh_from_db()
        bad.refresh_from_db()
        assert (good.counted_to, bad.counted_to) == (NOON + MINUTE, None)
        ask(("DEL", f"line:{{bad}}:stats:{NOON_MINUTE + 1}"))
        happened(bad, 1, joins=2)
        statistics_write(now=after(2))
        assert sorted(kept()) == [("bad", 0), ("bad", 1), ("good", 0)]

    def test_two_at_once_write_each_minute_once(self) -> None:
        zones = [zone_make(f"z{number}") for number in range(5)]
        for zone in zones:
            for minute in range(60):
                happened(zone, minute, joins=minute + 1)

        def write(meet: Callable[[], object]) -> int:
            meet()
            return statistics_write(now=after(60))

        assert at_once(write) == [300, 300]
        assert {key: figures[0] for key, figures in kept().items()} == {
            (zone.pk, minute): minute + 1 for zone in zones for minute in range(60)
        }

    def test_rows_of_a_deleted_zone_stay(self) -> None:
        zone = zone_make()
        happened(zone, 0, joins=1)
        statistics_write(now=after(1))
        zone.delete()
        assert statistics_write(now=after(2)) == 0
        assert len(kept()) == 1
