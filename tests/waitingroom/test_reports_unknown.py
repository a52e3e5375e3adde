"""Reports of minutes of which nobody can tell: they are named, no zero stands for them, and what is known is told."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom import report_events, reports
from apps.waitingroom.manage.report_chart import LEFT, RIGHT, WIDTH, chart_of
from apps.waitingroom.models import Zone
from apps.waitingroom.reports import Report, Told, Unknown, Why, report_csv, report_make
from apps.waitingroom.statistics import KEPT_MINUTES, statistics_write
from tests.services.redis_server import RedisServer
from tests.waitingroom.past import NOON, at, happened, minute_of, zone_of_old

DAY = 24 * 60


def told_of(first: float, end: float, now: float) -> Report:
    return reports.report(zone_id="concert", start=at(first), end=at(end), now=at(now))


def spans(found: Report) -> list[tuple[datetime, datetime, str]]:
    return [(one.start, one.end, one.why) for one in found.unknown]


class TestReading:
    """Which minutes nobody can tell of, and why."""

    pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

    @pytest.fixture
    def away(self, private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
        use_redis(private_redis.url)
        return private_redis

    def test_without_redis_it_is_known_up_to_what_is_written(self, away: RedisServer) -> None:
        zone = zone_of_old()
        for number in range(6):
            happened(zone, number, joins=7)
        statistics_write(now=at(3.1))  # minutes 0 to 2
        whole = told_of(0, 60, now=5.5)
        assert (whole.arrivals, spans(whole)) == (42, [])
        away.stop()
        found = told_of(0, 60, now=5.5)
        assert (found.arrivals, spans(found), found.is_blank) == (21, [(at(3), at(6), "unread")], False)
        assert (spans(told_of(0, 4, now=5.5)), told_of(0, 4, now=5.5).arrivals) == ([(at(3), at(4), "unread")], 21)
        assert spans(told_of(0, 3, now=5.5)) == []  # all of it is written
        assert (told_of(3, 60, now=5.5).is_blank, told_of(2, 60, now=5.5).is_blank) == (True, False)
        assert told_of(-30, 0, now=5.5).is_blank is False  # nothing happened, and that is known

    def test_what_no_worker_wrote_in_time_is_lost(self, away: RedisServer) -> None:
        zone = zone_of_old()
        happened(zone, 0, joins=7)
        statistics_write(now=at(1.1))
        later = 300
        happened(zone, later, joins=9)
        found = told_of(0, DAY, now=later)
        first_kept = later - KEPT_MINUTES + 1
        assert (found.arrivals, spans(found)) == (16, [(at(1), at(first_kept), "lost")])
        assert told_of(10, 20, now=later).is_blank
        assert spans(told_of(first_kept, DAY, now=later)) == []
        away.stop()
        both = [(at(1), at(first_kept), "lost"), (at(first_kept), at(later + 1), "unread")]
        assert spans(told_of(0, DAY, now=later)) == both
        assert told_of(1, DAY, now=later).is_blank

    def test_a_zone_that_no_worker_ever_looked_at(self) -> None:
        zone_of_old()
        assert spans(told_of(-2 * DAY, 1, now=0)) == [(at(-DAY), at(1 - KEPT_MINUTES), "lost")]
        Zone.objects.update(created_at=at(-5.5))
        assert spans(told_of(-2 * DAY, 1, now=0)) == []

    def test_what_is_too_old_is_no_longer_kept(self, settings: Any) -> None:
        zone = zone_of_old()
        Zone.objects.filter(pk=zone.pk).update(created_at=at(-100 * DAY), counted_to=at(-1))
        settings.ZONE_STATISTICS_KEPT_DAYS = 30
        first = (at(0.5) - timedelta(days=30)).replace(second=0) + timedelta(minutes=1)
        found = told_of(-33 * DAY, -29 * DAY, now=0.5)
        assert (spans(found), found.is_blank) == ([(at(-33 * DAY), first, "forgotten")], False)
        assert told_of(-33 * DAY, -32 * DAY, now=0.5).is_blank
        assert spans(told_of(-29 * DAY, -28 * DAY, now=0.5)) == []
        assert spans(told_of(-133 * DAY, -130 * DAY, now=0.5)) == []  # it was not there yet
        settings.ZONE_STATISTICS_KEPT_DAYS = 0
        assert spans(told_of(-33 * DAY, -32 * DAY, now=0.5)) == []

    def test_an_event_is_not_over_where_nobody_can_tell(self, away: RedisServer) -> None:
        zone = zone_of_old()
        for number in range(6):
            happened(zone, number, joins=7)
        statistics_write(now=at(6.1))
        opening = report_events.Opening(at(0), at(0))
        event, made = report_events.event_report(zone_id=zone.pk, opening=opening, now=at(40))
        assert (event.end, event.is_over, spans(made)) == (at(6), True, [])
        away.stop()
        event, made = report_events.event_report(zone_id=zone.pk, opening=opening, now=at(40))
        assert (event.end, event.is_over, made.arrivals) == (at(41), False, 42)
        assert spans(made) == [(at(6), at(41), "unread")]


# --- as a file, and drawn -------------------------------------------------------------------------------------------


def report_of(minutes: dict[int, int], *unknown: tuple[int, int], count: int, why: Why = "lost") -> Report:
    told = Told(
        [minute_of(number, waiting=waiting, entries=waiting) for number, waiting in sorted(minutes.items())],
        [Unknown(at(first), at(end), why) for first, end in unknown],
    )
    return report_make(start=NOON, end=at(count), told=told)


def test_the_file_has_empty_cells_for_minutes_of_which_nobody_knows() -> None:
    lines = report_csv(report_of({0: 2, 3: 4, 5: 6}, (2, 5), count=9)).split("\r\n")
    assert lines[1:] == [
        "2026-12-24T12:00:00Z,0,2,0,0,0,0,2,2,,,",
        "2026-12-24T12:02:00Z,,,,,,,,,,,",
        "2026-12-24T12:03:00Z,0,4,0,0,0,0,4,4,,,",
        "2026-12-24T12:04:00Z,,,,,,,,,,,",
        "2026-12-24T12:05:00Z,0,6,0,0,0,0,6,6,,,",
        "",
    ]


def test_what_lies_behind_the_end_is_not_in_the_report() -> None:
    found = report_of({0: 2, 3: 4}, (1, 3), (4, 9), count=2)
    assert (found.admitted, spans(found)) == (2, [(at(1), at(2), "lost")])


def test_the_chart_has_a_gap_where_nobody_knows() -> None:
    chart = chart_of(report_of({0: 4, 1: 4, 2: 4, 7: 2}, (3, 6), count=10))
    step = (WIDTH - LEFT - RIGHT) / 10
    right = [round(LEFT + step * number, 1) for number in range(11)]
    assert chart.entries == f"M{LEFT} 14.0H{right[3]}M{right[6]} 234.0H{right[7]}V124.0H{right[8]}V234.0H{right[10]}"
    assert chart.waiting.count("Z") == 2
    assert chart.unknown == f"M{right[3]} 14H{right[6]}V234H{right[3]}Z"
    assert chart_of(report_of({0: 4}, count=10)).unknown == ""


def test_the_chart_of_what_nobody_knows_is_empty() -> None:
    chart = chart_of(report_of({}, (0, 10), count=10))
    assert (chart.waiting, chart.entries) == ("", "")


@given(
    st.integers(1, 10_080),
    st.dictionaries(st.integers(0, 10_079), st.integers(1, 1_000_000), max_size=10),
    st.lists(st.tuples(st.integers(0, 10_079), st.integers(1, 3_000)), max_size=4),
)
def test_what_is_known_is_drawn(count: int, minutes: dict[int, int], blind: list[tuple[int, int]]) -> None:
    """However the known and the unknown lie: the highest is at its height, and no path leaves the plot."""
    minutes = {number: waiting for number, waiting in minutes.items() if number < count}
    spans_of = [(first, min(first + length, count)) for first, length in blind if first < count]
    found = report_of(minutes, *spans_of, count=count)
    chart = chart_of(found)
    heights = [float(part.split("H")[0].split("M")[0]) for part in chart.waiting.replace("Z", "").split("V")[1:]]
    heights += [float(part.split("V")[0].split("H")[0].split(" ")[1]) for part in chart.waiting.split("M")[1:]]
    if found.peak:
        scale = int(chart.left[-1].text.replace(",", ""))
        assert abs(min(heights) - (234 - found.peak / scale * 220)) < 0.1
    assert all(13.9 <= height <= 234.1 for height in heights)
    known = [number for number in range(count) if not any(first <= number < end for first, end in spans_of)]
    assert found.is_blank == (not known and not minutes)
