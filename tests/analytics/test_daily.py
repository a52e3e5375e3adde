"""The arithmetic of a day's figures: midnights, parts of days, peaks and averages."""

import datetime

import pytest

from apps.analytics.daily import (
    Day,
    Due,
    Figures,
    Readings,
    StreamOfDay,
    Touched,
    Watching,
    days_between,
    days_touched,
    figures_make,
    midnight,
    peak_of_day,
    seoul_date,
)
from apps.audience.sessions import SEOUL

MARCH_1 = Day(datetime.date(2026, 3, 1))
HOUR, MINUTE, SECOND = (datetime.timedelta(**{unit: 1}) for unit in ("hours", "minutes", "seconds"))
DAWN = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)


def stream(started: datetime.timedelta, ended: datetime.timedelta | None = None, *, final_peak: int = 0) -> StreamOfDay:
    """A stream with moments told from the day's beginning."""
    return StreamOfDay(1, 2, DAWN + started, None if ended is None else DAWN + ended, final_peak)


def test_a_day_of_seoul_in_utc() -> None:
    assert MARCH_1.start == datetime.datetime(2026, 2, 28, 15, 0, tzinfo=datetime.UTC)
    assert MARCH_1.end == datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)
    assert MARCH_1.start.tzinfo is datetime.UTC


@pytest.mark.parametrize(
    ("date", "hours"),
    [("1988-05-07", 24), ("1988-05-08", 23), ("1988-10-09", 25), ("1988-10-08", 24), ("2026-03-29", 24)],
    ids=["before", "summer time began", "it ended", "last of it", "when Europe's begins"],
)
def test_a_day_is_as_long_as_its_clock_says(date: str, hours: int) -> None:
    day = Day(datetime.date.fromisoformat(date))
    assert day.end - day.start == hours * HOUR
    assert Day(day.date + datetime.timedelta(days=1)).start == day.end  # nothing lies between two days, or in both


@pytest.mark.parametrize(
    ("moment", "date"),
    [(DAWN - SECOND, "2026-02-28"), (DAWN, "2026-03-01"), (DAWN + 24 * HOUR - SECOND, "2026-03-01")],
)
def test_which_day_it_is(moment: datetime.datetime, date: str) -> None:
    assert seoul_date(round(moment.timestamp() * 1000)).isoformat() == date


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        (HOUR, 2 * HOUR, 3_600),
        (-HOUR, HOUR, 3_600),
        (23 * HOUR, 25 * HOUR, 3_600),
        (-HOUR, 30 * HOUR, 86_400),
        (-2 * HOUR, -HOUR, 0),
        (-HOUR, 0 * HOUR, 0),
        (24 * HOUR, 25 * HOUR, 0),
        (0 * HOUR, SECOND * 1.999, 1),
    ],
    ids=["inside", "from yesterday", "into tomorrow", "all of it", "before", "till it began", "after", "cut down"],
)
def test_the_part_of_a_time_that_lies_in_the_day(
    since: datetime.timedelta, until: datetime.timedelta, seconds: int
) -> None:
    assert MARCH_1.seconds_of(DAWN + since, DAWN + until) == seconds


def test_a_session_over_midnight_has_a_part_in_each_day_and_nothing_is_lost() -> None:
    joined, left = DAWN - 50 * MINUTE, DAWN + 24 * HOUR + 7 * MINUTE
    days = [Day(MARCH_1.date + datetime.timedelta(days=shift)) for shift in (-2, -1, 0, 1, 2)]
    parts = [day.seconds_of(joined, left) for day in days]
    assert parts == [0, 50 * 60, 86_400, 7 * 60, 0]
    assert sum(parts) == (left - joined).total_seconds()


def test_days_that_sessions_touch() -> None:
    spans = [
        (1, DAWN + HOUR, DAWN + 2 * HOUR),
        (1, DAWN - SECOND, DAWN + HOUR),
        (2, DAWN - SECOND, DAWN + HOUR),
        (1, DAWN - 73 * HOUR, DAWN - 49 * HOUR),
        (1, DAWN - 24 * HOUR, DAWN - 23 * HOUR),
    ]
    touched = days_touched(spans, before=MARCH_1.date)
    assert sorted((day.isoformat(), stream_id) for day, stream_id in touched) == [
        ("2026-02-25", 1),
        ("2026-02-26", 1),
        ("2026-02-28", 1),
        ("2026-02-28", 2),
    ]
    assert days_touched(spans[:1], before=MARCH_1.date) == set()
    assert list(days_between(MARCH_1.date, MARCH_1.date - datetime.timedelta(days=1))) == []
    assert midnight(MARCH_1.date) == DAWN


def test_a_tab_that_was_open_for_weeks_touches_the_days_to_which_it_adds_and_no_more() -> None:
    touched = days_touched([(1, DAWN - 20 * 24 * HOUR, DAWN)], before=MARCH_1.date)
    assert sorted(day.isoformat() for day, _ in touched) == [f"2026-02-{day:02}" for day in range(9, 17)]


def day(number: int) -> datetime.date:
    return datetime.date(2026, 3, number)


def test_what_is_due_is_a_broadcasters_from_the_day_that_changed_on() -> None:
    changed: set[Touched] = {(day(9), None), (day(5), 1), (day(7), 2), (day(7), 3), (day(3), 4)}
    due = Due(frozenset(changed), {1: 10, 2: 20, 3: 10})
    assert due.first == day(5)  # stream 4 is gone
    expected = [frozenset(owners) for owners in ((), (10,), (10,), (10, 20), (10, 20))]
    assert [due.broadcasters(day(number)) for number in (4, 5, 6, 7, 8)] == expected
    assert due.broadcasters(day(9)) is due.broadcasters(day(10)) is None
    assert due.until(day(6)) == {(day(6), 1), (day(6), 4)}
    assert due.until(day(9)) == {(day(9), one) for one in (None, 1, 2, 3, 4)}
    assert Due(frozenset(), {}).first is None


@pytest.mark.parametrize(
    ("of", "readings", "peak"),
    [
        # all of it on this day: the stream's own peak is the day's, whatever snapshots saw
        (stream(HOUR, 2 * HOUR, final_peak=50), Readings(3, 60, 30, 40, None), 50),
        (stream(HOUR), Readings(3, 60, 30, 40, None), 40),
        # from yesterday: its peak counts if it rose today
        (stream(-HOUR, HOUR, final_peak=90), Readings(3, 60, 30, 90, 80), 90),
        (stream(-HOUR, HOUR, final_peak=80), Readings(3, 60, 30, 80, 80), 30),
        (stream(-HOUR), Readings(3, 60, 30, 85, 80), 85),
        # nobody looked before midnight: what snapshots saw
        (stream(-HOUR, HOUR, final_peak=90), Readings(3, 60, 30, 90, None), 30),
        # it ends tomorrow, and its greatest hour is still to come
        (stream(HOUR, 30 * HOUR, final_peak=500), Readings(3, 60, 30, 40, None), 40),
        # no snapshot: it came and went between two
        (stream(HOUR, HOUR + MINUTE, final_peak=12), Readings(), 12),
    ],
)
def test_peak(of: StreamOfDay, readings: Readings, peak: int) -> None:
    assert peak_of_day(MARCH_1, of, readings, now=MARCH_1.end + HOUR) == peak


@pytest.mark.parametrize(
    ("of", "readings", "peak"),
    [
        (stream(HOUR, final_peak=50), Readings(3, 60, 30, 40, None), 50),
        (stream(HOUR, final_peak=50), Readings(), 50),
        (stream(HOUR), Readings(3, 60, 30, 40, None), 40),
        (stream(-HOUR, final_peak=90), Readings(3, 60, 30, 80, 80), 90),
        (stream(-HOUR, final_peak=80), Readings(3, 60, 30, 80, 80), 30),
    ],
)
def test_the_peak_of_the_running_day_is_that_of_this_moment(of: StreamOfDay, readings: Readings, peak: int) -> None:
    assert peak_of_day(MARCH_1, of, readings, now=DAWN + 2 * HOUR) == peak
    # Once the day is over, what a stream that goes on reaches later is nothing of it.
    assert peak_of_day(MARCH_1, of, readings, now=MARCH_1.end + MINUTE) <= max(readings.highest, readings.peak_by_end)


def test_all_figures_together() -> None:
    figures = figures_make(
        MARCH_1,
        stream(-HOUR, 2 * HOUR + 59 * SECOND, final_peak=9),
        Readings(snapshots=24, total=100, highest=8, peak_by_end=9, peak_before=9),
        Watching(viewers=7, new=3, seconds=3_659),
        now=DAWN + 10 * HOUR,
    )
    assert figures == Figures(8, 4.17, 7, 3, 4, 60, 120)


def test_the_average_of_a_stream_without_a_snapshot_is_what_was_watched() -> None:
    watching = Watching(viewers=3, new=3, seconds=150)
    brief = stream(HOUR, HOUR + MINUTE, final_peak=3)
    assert figures_make(MARCH_1, brief, Readings(), watching, now=DAWN).average_viewers == 2.5
    at_once_over = stream(HOUR, HOUR)
    assert figures_make(MARCH_1, at_once_over, Readings(), Watching(), now=DAWN) == Figures(0, 0.0, 0, 0, 0, 0, 0)


def test_a_stream_that_goes_on_is_live_until_now() -> None:
    on = stream(HOUR)
    assert figures_make(MARCH_1, on, Readings(), Watching(), now=DAWN + 3 * HOUR).live_minutes == 120
    assert figures_make(MARCH_1, on, Readings(), Watching(), now=DAWN + 30 * HOUR).live_minutes == 23 * 60
