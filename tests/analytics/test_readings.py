"""The row that a stream gets after its end, for having met no snapshot, is no reading of it: nothing counts it."""

import datetime

import pytest

from apps.analytics.daily import Day, Readings, StreamOfDay
from apps.analytics.daily_selectors import readings_of_day
from apps.analytics.heat import HeatCell
from apps.analytics.selectors import CoursePoint, broadcaster_series, heat_map, stream_comparison, stream_series
from apps.audience.sessions import SEOUL
from apps.streams.models import Stream
from tests.analytics.record import history_make, stream_past

SUNDAY = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)
SECOND, MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def brief() -> Stream:
    """Live for twelve seconds of the hour before the one in which its row is."""
    stream = stream_past("brief", SUNDAY + HOUR - 30 * SECOND, SUNDAY + HOUR - 18 * SECOND, peak=3)
    history_make(stream, [(SUNDAY + HOUR, 0)])
    return stream


def readings_by_day(stream: Stream) -> Readings:
    of_day = StreamOfDay(stream.pk, stream.broadcaster_id, stream.started_at, stream.ended_at, stream.peak_viewers)
    return readings_of_day(Day(SUNDAY.date()), [of_day])[stream.pk]


def test_a_stream_between_two_marks_was_read_nowhere(brief: Stream) -> None:
    assert stream_series(stream_id=brief.pk, since=SUNDAY, until=SUNDAY + DAY).points == []
    found = heat_map(broadcaster_id=brief.broadcaster_id, until=SUNDAY.date() + DAY, weeks=1)
    assert {cell for row in found.cells for cell in row} == {HeatCell(None, 0)}
    assert (readings_by_day(brief).snapshots, readings_by_day(brief).highest) == (0, 0)


def test_what_was_read_of_others_is_not_diluted(brief: Stream) -> None:
    before = stream_past("before", SUNDAY + 2 * MINUTE, SUNDAY + 6 * MINUTE, peak=165)
    history_make(before, [(SUNDAY + 5 * MINUTE, 165)])
    late = stream_past("late", SUNDAY + 56 * MINUTE, SUNDAY + 58 * MINUTE)
    history_make(late, [(SUNDAY + HOUR, 0)])
    until = SUNDAY + DAY
    for unit_until in (until, SUNDAY + 28 * DAY):
        points = broadcaster_series(broadcaster_id=brief.broadcaster_id, since=SUNDAY, until=unit_until).points
        assert [(point.average, point.peak) for point in points] == [(165.0, 165)]
    found = heat_map(broadcaster_id=brief.broadcaster_id, until=SUNDAY.date() + DAY, weeks=1)
    assert found.cells[6][0] == HeatCell(165.0, 165)
    assert found.cells[6][1] == HeatCell(None, 0)
    comparison = stream_comparison(stream=late)
    assert comparison is not None
    assert (comparison.before.id, comparison.course) == (before.pk, [])
    assert comparison.course_before == [CoursePoint(0, 165.0, 165)]


def test_nobody_watching_a_live_stream_is_a_reading_and_so_is_somebody_after_its_end() -> None:
    ended_at = SUNDAY + 10 * MINUTE
    stream = stream_past("quiet", SUNDAY - MINUTE, ended_at)
    history_make(stream, [(SUNDAY, 4), (SUNDAY + 5 * MINUTE, 0), (ended_at, 2)])  # clocks that do not agree
    live = stream_past("live", SUNDAY, None, owner="jun")
    history_make(live, [(SUNDAY + 5 * MINUTE, 0)])
    points = stream_series(stream_id=stream.pk, since=SUNDAY, until=SUNDAY + DAY).points
    assert [point.average for point in points] == [4.0, 0.0, 2.0]
    assert [p.average for p in stream_series(stream_id=live.pk, since=SUNDAY, until=SUNDAY + DAY).points] == [0.0]
    of_day = readings_by_day(stream)
    assert (of_day.snapshots, of_day.total, of_day.highest) == (3, 6, 4)
    assert readings_by_day(live).snapshots == 1
