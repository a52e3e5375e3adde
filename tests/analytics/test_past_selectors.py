"""Series, streams and comparisons from real tables, against one snapshot after the other; and what the server reads."""

import datetime
import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.analytics import selectors
from apps.analytics.growth import StreamFigures
from apps.analytics.selectors import (
    CoursePoint,
    broadcaster_series,
    broadcaster_streams,
    stream_comparison,
    stream_series,
    streams_between,
)
from apps.analytics.series import Point, Series
from apps.audience.sessions import SEOUL
from apps.operations.replay.evening import EveningPlan, evening_generate
from apps.operations.replay.trace import trace_read, true_counts
from tests.analytics.record import STEP, day_make, history_make, stream_past
from tests.services.traces import DAY as RECORDED_DAY
from tests.services.traces import needs_traces

DAWN = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)
MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Snapshots = list[tuple[datetime.datetime, int]]


def plain_points(snapshots: Snapshots, unit_s: int) -> list[Point]:
    """Snapshots put into buckets with a calendar: as many whole units after the midnight of Seoul before them."""
    groups: dict[datetime.datetime, list[int]] = {}
    for at, viewers in sorted(snapshots):
        midnight = at.astimezone(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
        begin = at - (at - midnight) % datetime.timedelta(seconds=unit_s)
        groups.setdefault(begin.astimezone(datetime.UTC), []).append(viewers)
    return [Point(at, round(sum(group) / len(group), 2), max(group)) for at, group in groups.items()]


@pytest.mark.parametrize(("days", "unit_s"), [(1, 300), (7, 900), (28, 1_800), (70, 3_600)])
def test_a_series_is_the_plain_one(days: int, unit_s: int) -> None:
    chance, until = random.Random(days), DAWN + days * DAY
    stream = stream_past("long", DAWN - DAY, until + DAY)
    marks = range(-288, (days + 1) * 288)
    snapshots = [(DAWN + mark * STEP, chance.randrange(1_000)) for mark in chance.sample(marks, 200)]
    history_make(stream, snapshots)
    history_make(stream_past("other", DAWN, until, owner="jun"), [(DAWN, 9_999)])
    inside = [(at, viewers) for at, viewers in snapshots if DAWN <= at < until]
    expected = Series(unit_s, DAWN, until, plain_points(inside, unit_s))
    assert stream_series(stream_id=stream.pk, since=DAWN, until=until) == expected
    assert broadcaster_series(broadcaster_id=stream.broadcaster_id, since=DAWN, until=until) == expected


def test_a_day_is_one_query_and_a_broadcasters_three(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    stream = stream_past("one", DAWN, DAWN + HOUR)
    history_make(stream, [(DAWN, 1)])
    with django_assert_num_queries(1):
        assert len(stream_series(stream_id=stream.pk, since=DAWN, until=DAWN + DAY).points) == 1
    with django_assert_num_queries(3):
        found = broadcaster_series(broadcaster_id=stream.broadcaster_id, since=DAWN, until=DAWN + DAY)
    assert found.points == [Point(DAWN.astimezone(datetime.UTC), 1.0, 1)]


def test_streams_that_are_live_at_one_moment_are_added_and_others_not() -> None:
    first, second = stream_past("first", DAWN, DAWN + HOUR), stream_past("second", DAWN + HOUR, DAWN + 2 * HOUR)
    history_make(first, [(DAWN, 10), (DAWN + HOUR, 4)])
    history_make(second, [(DAWN + HOUR, 6), (DAWN + HOUR + STEP, 30)])
    found = broadcaster_series(broadcaster_id=first.broadcaster_id, since=DAWN, until=DAWN + 60 * DAY)
    assert found.unit_s == 3_600
    assert [(point.average, point.peak) for point in found.points] == [(10.0, 10), (20.0, 30)]


def test_a_long_range_is_drawn_from_days_and_never_from_snapshots() -> None:
    first, second = stream_past("first", DAWN, DAWN + HOUR), stream_past("second", DAWN + 2 * HOUR, DAWN + 3 * HOUR)
    for stream in (first, second):
        history_make(stream, [(stream.started_at, 1)])
    day_make(first, DAWN.date(), peak=50, average=10.0, unique=0, new=0, watched=0, live=60)
    day_make(second, DAWN.date(), peak=30, average=30.0, unique=0, new=0, watched=0, live=180)
    day_make(second, DAWN.date() + 71 * DAY, peak=7, average=7.0, unique=0, new=0, watched=0, live=180)
    since, until = DAWN + 5 * HOUR, DAWN + 71 * DAY + MINUTE
    with CaptureQueriesContext(connection) as queries:
        of_all = broadcaster_series(broadcaster_id=first.broadcaster_id, since=since, until=until)
        of_one = stream_series(stream_id=first.pk, since=since, until=until)
        of_none = stream_series(stream_id=first.pk + 100, since=since, until=until)
    assert not any("viewer_history" in query["sql"] for query in queries)
    midnight = DAWN.astimezone(datetime.UTC)
    assert of_all.points == [Point(midnight, 25.0, 50), Point(midnight + 71 * DAY, 7.0, 7)]
    assert of_one.points == [Point(midnight, 10.0, 50)]
    assert (of_all.unit_s, of_all.since, of_all.until, of_none.points) == (86_400, since, until, [])


def test_streams_of_a_range_are_those_live_in_it_however_long_ago_they_began() -> None:
    short = stream_past("short", DAWN - 200 * DAY, DAWN - 199 * DAY)
    endless = stream_past("endless", DAWN - 100 * DAY, DAWN + HOUR)
    over = stream_past("over", DAWN + HOUR, DAWN + 2 * HOUR)
    live = stream_past("live", DAWN + 3 * HOUR, None)
    owner = short.broadcaster_id

    def between(since: datetime.datetime, until: datetime.datetime) -> list[int]:
        return streams_between(owner, since, until)

    assert between(DAWN, DAWN + DAY) == [endless.pk, over.pk, live.pk]
    assert between(DAWN, DAWN + HOUR) == [endless.pk]
    assert between(DAWN + 90 * MINUTE, DAWN + 3 * HOUR) == [over.pk]
    now = timezone.now()
    assert between(now - MINUTE, now + DAY) == [live.pk]
    # Whether it will still be live then, nobody knows.
    assert between(now + MINUTE, now + DAY) == []
    assert between(DAWN - 300 * DAY, DAWN - 299 * DAY) == []
    assert streams_between(owner + 100, DAWN, DAWN + DAY) == []


def test_figures_of_streams_come_from_their_days_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first = stream_past("first", DAWN - 2 * HOUR, DAWN + HOUR, peak=70)
    live = stream_past("live", DAWN + 2 * HOUR, None)
    day_make(first, DAWN.date() - DAY, peak=50, average=10.0, unique=20, new=15, watched=600, live=120)
    day_make(first, DAWN.date(), peak=30, average=40.0, unique=10, new=1, watched=900, live=60)
    owner = first.broadcaster_id
    found = broadcaster_streams(broadcaster_id=owner, since=DAWN, until=timezone.now())
    assert [one.id for one in found] == [live.pk, first.pk]
    assert found[1] == StreamFigures(first.pk, "first", first.started_at, first.ended_at, 70, 20.0, 30, 1_500, 180)
    assert (found[0].ended_at, found[0].peak, found[0].average, found[0].unique) == (None, 0, None, None)
    assert found[0].live_minutes == (timezone.now() - live.started_at) // MINUTE
    monkeypatch.setattr(selectors, "MOST_STREAMS", 1)
    assert [one.id for one in broadcaster_streams(broadcaster_id=owner, since=DAWN, until=timezone.now())] == [live.pk]
    assert broadcaster_streams(broadcaster_id=owner + 100, since=DAWN, until=timezone.now()) == []


def test_a_stream_beside_the_one_before_both_told_from_their_start() -> None:
    stream_past("long ago", DAWN - 9 * DAY, DAWN - 8 * DAY)
    before = stream_past("before", DAWN - 3 * DAY, DAWN - 3 * DAY + 2 * HOUR, peak=12)
    stream = stream_past("this", DAWN + 100 * datetime.timedelta(seconds=1), DAWN + HOUR, peak=25)
    stream_past("after", DAWN + 2 * HOUR, None)
    stream_past("other", DAWN - HOUR, DAWN, owner="jun")
    history_make(before, [(DAWN - 3 * DAY, 2), (DAWN - 3 * DAY + HOUR, 12)])
    history_make(stream, [(DAWN + STEP, 5), (DAWN + 2 * STEP, 25)])
    found = stream_comparison(stream=stream)
    assert found is not None
    assert (found.unit_s, found.stream.id, found.stream.peak) == (300, stream.pk, 25)
    assert (found.before.id, found.before.peak) == (before.pk, 12)
    assert found.course == [CoursePoint(0, 5.0, 5), CoursePoint(300, 25.0, 25)]
    assert found.course_before == [CoursePoint(0, 2.0, 2), CoursePoint(3_600, 12.0, 12)]


def test_the_first_stream_has_nothing_to_compare_with() -> None:
    first = stream_past("first", DAWN, DAWN + HOUR)
    assert stream_comparison(stream=first) is None


def test_two_streams_of_months_are_compared_over_seventy_days_of_each() -> None:
    before = stream_past("before", DAWN - 200 * DAY, DAWN - 100 * DAY)
    stream = stream_past("this", DAWN - 99 * DAY, None)
    history_make(stream, [(stream.started_at + 69 * DAY, 5), (stream.started_at + 70 * DAY, 6)])
    found = stream_comparison(stream=stream)
    assert found is not None
    assert (found.unit_s, found.before.id) == (3_600, before.pk)
    assert found.course == [CoursePoint(69 * 86_400, 5.0, 5)]


def test_it_does_not_matter_which_time_zone_the_server_keeps() -> None:
    stream = stream_past("one", DAWN, DAWN + HOUR)
    history_make(stream, [(DAWN, 1), (DAWN + 50 * MINUTE, 2)])

    def look() -> Series:
        return stream_series(stream_id=stream.pk, since=DAWN, until=DAWN + 7 * DAY)

    before = look()
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '-05:30'")
            try:
                assert look() == before
            finally:
                cursor.execute("SET time_zone = @@global.time_zone")
    assert [point.at for point in before.points] == [DAWN, DAWN + 45 * MINUTE]


@pytest.mark.parametrize("is_recorded", [False, pytest.param(True, marks=needs_traces)], ids=["made-up", "recorded"])
def test_an_evening_of_a_channel_keeps_its_peak_in_every_unit(is_recorded: bool) -> None:
    trace = trace_read(RECORDED_DAY, seed=1) if is_recorded else evening_generate(EveningPlan(seed=7, hours=6))
    first = trace.start - trace.start % 300
    begin = datetime.datetime.fromtimestamp(first, datetime.UTC) if is_recorded else DAWN
    marks = [begin + number * STEP for number in range(6 * 12)]
    counts = [true_counts(trace.sessions, first + (mark - begin).total_seconds()) for mark in marks]
    channel = max(counts[-1], key=counts[-1].__getitem__)
    snapshots = [(mark, count.get(channel, 0)) for mark, count in zip(marks, counts, strict=True)]
    stream = stream_past(channel, begin, begin + 6 * HOUR)
    history_make(stream, snapshots)
    for days in (1, 7, 28, 70):
        found = stream_series(stream_id=stream.pk, since=begin, until=begin + days * DAY)
        assert found.points == plain_points(snapshots, found.unit_s)
        assert max(point.peak for point in found.points) == max(viewers for _, viewers in snapshots) > 100
