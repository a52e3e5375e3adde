"""Reports: sums that are exact over the table and Redis, events from start to empty line, a chart and a file."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom import reports
from apps.waitingroom.manage.report_chart import LEFT, MOST_POINTS, NARROW, RIGHT, TOP, WIDE, WIDTH, Frame, chart_of
from apps.waitingroom.models import ZoneStatistic
from apps.waitingroom.reports import Minute, Report, Told, report_csv
from apps.waitingroom.statistics import statistics_write, wait_quantile
from tests.services.redis_server import RedisServer
from tests.waitingroom.past import NOON, at, happened, minute_of, zone_of_old

MINUTE = timedelta(minutes=1)
database = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def report_make(*, start: datetime, end: datetime, minutes: Sequence[Minute]) -> Report:
    return reports.report_make(start=start, end=end, told=Told(minutes))


# --- sums -----------------------------------------------------------------------------------------------------------


def test_an_empty_span_says_so() -> None:
    found = report_make(start=NOON, end=at(60), minutes=[])
    assert (found.arrivals, found.admitted, found.abandoned, found.peak, found.fastest) == (0, 0, 0, 0, 0)
    assert (found.waits, found.peak_at, found.fastest_at, found.abandoned_percent) == (
        (None, None, None),
        None,
        None,
        None,
    )


def test_sums_of_minutes() -> None:
    found = report_make(
        start=NOON,
        end=at(3),
        minutes=[
            minute_of(0, joins=1_000, entries=60, waiting=940, waits={0: 60}),
            minute_of(1, joins=200, entries=60, left=30, evicted=10, refused=5, waiting=1_040, waits={47: 60}),
            minute_of(2, entries=61, waiting=979, would_wait=2, waits={55: 61}),
        ],
    )
    assert (found.arrivals, found.admitted, found.left, found.evicted, found.abandoned) == (1_200, 181, 30, 10, 40)
    assert (found.refused, found.would_wait, found.abandoned_percent) == (5, 2, 3.3)
    assert (found.peak, found.peak_at, found.fastest, found.fastest_at) == (1_040, at(1), 61, at(2))
    assert found.waits == (63, 127, 127)


def test_the_longest_line_is_the_longest_that_was_seen_and_not_what_a_minute_ended_with() -> None:
    minutes = [
        minute_of(0, waiting=12),  # from before it was kept
        minute_of(1, joins=40, entries=40, waiting=0, peak=37),
        minute_of(2, waiting=0, peak=0),
    ]
    found = report_make(start=NOON, end=at(3), minutes=minutes)
    assert (found.peak, found.peak_at) == (37, at(1))
    assert [line.split(",")[8] for line in report_csv(found).split("\r\n")[:4]] == ["peak", "12", "37", "0"]


@given(st.lists(st.dictionaries(st.integers(0, 130), st.integers(1, 50), max_size=8), max_size=6))
def test_waits_of_a_span_are_those_of_all_who_entered_in_it(minutes: list[dict[int, int]]) -> None:
    """Whatever minutes they entered in; averaging the minutes' own quantiles would not be that."""
    together: dict[int, int] = {}
    for waits in minutes:
        for bucket, count in waits.items():
            together[bucket] = together.get(bucket, 0) + count
    parts = [minute_of(number, waits=waits) for number, waits in enumerate(minutes)]
    found = report_make(start=NOON, end=at(10), minutes=parts)
    assert found.waits == tuple(wait_quantile(together, share) for share in (0.5, 0.9, 0.99))


# --- reading --------------------------------------------------------------------------------------------------------


class TestReading:
    """From the table, and from Redis what no job has written yet."""

    pytestmark = database

    def test_each_minute_is_counted_once_wherever_it_is(self) -> None:
        zone = zone_of_old()
        for number in range(5):
            happened(zone, number, joins=10 + number, entries=number, waiting=100, wait_3=number + 1)
        statistics_write(now=at(3.1))  # minutes 0 to 2
        assert ZoneStatistic.objects.count() == 3
        found = reports.report(zone_id=zone.pk, start=NOON, end=at(10), now=at(4.5))
        assert [one.minute for one in found.minutes] == [at(number) for number in range(5)]
        assert (found.arrivals, found.admitted) == (10 + 11 + 12 + 13 + 14, 0 + 1 + 2 + 3 + 4)
        assert [dict(one.waits) for one in found.minutes] == [{3: number + 1} for number in range(5)]
        statistics_write(now=at(6))
        again = reports.report(zone_id=zone.pk, start=NOON, end=at(10), now=at(7))
        assert (again.arrivals, again.admitted, again.waits) == (found.arrivals, found.admitted, found.waits)

    def test_only_what_lies_in_the_span(self) -> None:
        zone, other = zone_of_old(), zone_of_old("other")
        for number in range(-2, 6):
            happened(zone, number, joins=1)
            happened(other, number, joins=100)
        statistics_write(now=at(2.1))
        found = reports.report(zone_id=zone.pk, start=at(0), end=at(4), now=at(6))
        assert [one.minute for one in found.minutes] == [at(number) for number in range(4)]
        assert found.arrivals == 4

    def test_without_redis_it_tells_what_is_written(
        self, private_redis: RedisServer, use_redis: Callable[[str], str]
    ) -> None:
        use_redis(private_redis.url)
        zone = zone_of_old()
        happened(zone, 0, joins=7)
        happened(zone, 1, joins=9)
        statistics_write(now=at(1.1))
        private_redis.stop()
        assert reports.report(zone_id=zone.pk, start=NOON, end=at(5), now=at(2)).arrivals == 7

    def test_a_row_from_before_histograms_keeps_its_quantiles(self) -> None:
        zone = zone_of_old()
        counts = dict.fromkeys(("joins", "evicted", "left", "refused", "waiting", "would_wait"), 0)
        ZoneStatistic.objects.create(
            zone_id=zone.pk, minute=NOON, entries=5, wait_p50=10, wait_p90=20, wait_p99=30, **counts
        )
        (one,) = reports.report(zone_id=zone.pk, start=NOON, end=at(1), now=at(9)).minutes
        assert (one.wait_p50, one.wait_p90, one.wait_p99, dict(one.waits)) == (10, 20, 30, {})


# --- chart and file -------------------------------------------------------------------------------------------------


def points(path: str) -> list[tuple[str, float]]:
    return [(part[0], float(part[1:].split()[-1])) for part in re.findall(r"[MVHZ][^MVHZ]*", path) if part != "Z"]


@given(
    st.sampled_from([WIDE, NARROW]),
    st.integers(1, 10_080),
    st.lists(st.tuples(st.integers(0, 10_079), st.integers(0, 2_000_000), st.integers(0, 10_000_000)), max_size=20),
)
def test_a_chart_stays_in_its_frame(frame: Frame, count: int, told: list[tuple[int, int, int]]) -> None:
    minutes = [
        minute_of(number, waiting=waiting, entries=entries)
        for number, waiting, entries in sorted({one[0]: one for one in told}.values())
        if number < count
    ]
    found = report_make(start=NOON, end=at(count), minutes=minutes)
    chart = chart_of(found, opens_at=at(count / 2), frame=frame)
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    for path in (chart.waiting, chart.entries):
        steps = points(path)
        assert len(steps) <= 2 * MOST_POINTS + 4
        assert all(frame.top - 0.1 <= place <= bottom + 0.1 for kind, place in steps if kind in "MV")
        assert all(frame.left - 0.1 <= place <= right + 0.2 for kind, place in steps if kind == "H")
    peak = min(place for kind, place in points(chart.waiting) if kind in "MV")
    assert (peak < bottom) == (found.peak > 0)
    assert int(chart.left[-1].text.replace(",", "")) >= found.peak
    assert int(chart.right[-1].text.replace(",", "")) >= found.fastest
    assert 1 <= len(chart.times) <= max(frame.times, 7) + 2 or count < 2  # every day of a week has a label
    assert all(frame.left <= tick.at <= right + 0.1 for tick in chart.times)


def test_the_scale_is_round() -> None:
    found = report_make(start=NOON, end=at(5), minutes=[minute_of(0, waiting=84_000, entries=1_180)])
    chart = chart_of(found)
    assert [tick.text for tick in chart.left] == ["0", "25,000", "50,000", "75,000", "100,000"]
    assert [tick.text for tick in chart.right] == ["0", "500", "1,000", "1,500", "2,000"]
    assert [tick.text for tick in chart.times] == [f"12:0{number}" for number in range(6)]


def test_a_minute_that_runs_is_not_drawn() -> None:
    minutes = [minute_of(number, waiting=8, entries=4) for number in range(3)]
    found = report_make(start=NOON, end=at(4), minutes=minutes)
    assert points(chart_of(found).entries)[-1][1] == WIDTH - RIGHT
    step = (WIDTH - LEFT - RIGHT) / 4
    for until in (at(2), at(2.9)):
        chart = chart_of(found, until=until)
        assert points(chart.entries) == [("M", TOP), ("H", LEFT + 2 * step)]
    assert points(chart_of(found, until=at(0.1)).entries)[-1] == ("H", LEFT + step)
    assert chart_of(found, until=at(9)) == chart_of(found)


def test_the_file_has_a_line_a_minute() -> None:
    minutes = [minute_of(0, joins=3, waiting=2, wait_p50=1, wait_p90=2, wait_p99=3), minute_of(2, evicted=1)]
    lines = report_csv(report_make(start=NOON, end=at(3), minutes=minutes)).split("\r\n")
    assert lines == [
        "\ufeffminute,joins,entries,left,evicted,refused,would_wait,waiting,peak,wait_p50,wait_p90,wait_p99",
        "2026-12-24T12:00:00Z,3,0,0,0,0,0,2,2,1,2,3",
        "2026-12-24T12:02:00Z,0,0,0,1,0,0,0,0,,,",
        "",
    ]
