"""Shapes of the answers about the past."""

import datetime
from collections.abc import Sequence

from ninja import Schema

from .selectors import CoursePoint
from .series import Series


class SeriesOut(Schema):
    """Viewers over time, in buckets of `unit_s` seconds, in columns: bucket n began at `at[n]` (epoch s).

    `average` is the mean of its 5-minute snapshots, `peak` the highest. Buckets in which nothing was live are left out.
    """

    unit_s: int
    since: datetime.datetime
    until: datetime.datetime
    at: list[int]
    average: list[float]
    peak: list[int]

    @classmethod
    def of(cls, series: Series) -> "SeriesOut":
        """This series."""
        return cls(
            unit_s=series.unit_s,
            since=series.since,
            until=series.until,
            at=[int(point.at.timestamp()) for point in series.points],
            average=[point.average for point in series.points],
            peak=[point.peak for point in series.points],
        )


class DayOut(Schema):
    """A day of Seoul. `unique`, `new` and `returning` are sums over its streams, minutes are whole.

    null is what is not known yet: `average` before the first reading, the figures of sessions before the day was made.
    """

    day: datetime.date
    peak: int
    average: float | None
    unique: int | None
    new: int | None
    returning: int | None
    watch_minutes: int | None
    live_minutes: int
    streams: int


class DaysOut(Schema):
    """The days that had a stream, oldest first."""

    items: list[DayOut]


class StreamFiguresOut(Schema):
    """A stream as a whole; `ended_at` is null while it is live.

    `unique` (a sum over days) and `watch_minutes` are as of `as_of`; it is null once they are settled, and with them
    while they are not made yet. `average` is null before the first reading.
    """

    id: int
    title: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    peak: int
    average: float | None
    unique: int | None
    watch_minutes: int | None
    live_minutes: int
    as_of: datetime.datetime | None


class StreamsOut(Schema):
    """The streams that were live in the range, newest first; 500 at most."""

    items: list[StreamFiguresOut]


class CellOut(Schema):
    """An hour of the week; null and 0 if nothing was ever live in it."""

    average: float | None
    peak: int


class HeatMapOut(Schema):
    """`cells[weekday][hour]` in Seoul, Monday and midnight first."""

    since: datetime.date
    until: datetime.date
    cells: list[list[CellOut]]


class TotalsOut(Schema):
    """What some days come to. `unique`, `new` and `returning` add up days and streams; null is not known yet."""

    peak: int
    average: float | None
    unique: int | None
    new: int | None
    returning: int | None
    watch_minutes: int | None
    live_minutes: int
    streams: int


class GrowthOut(Schema):
    """Some days, and as many before. `change` has a ratio for each figure (0.25: a quarter more), null if it was 0."""

    since: datetime.date
    until: datetime.date
    last: TotalsOut
    before: TotalsOut
    change: dict[str, float | None]


class CourseOut(Schema):
    """A stream's viewers since it began, in columns: bucket n began `after_s[n]` seconds after the start."""

    after_s: list[int]
    average: list[float]
    peak: list[int]

    @classmethod
    def of(cls, points: Sequence[CoursePoint]) -> "CourseOut":
        """These points."""
        return cls(
            after_s=[point.after_s for point in points],
            average=[point.average for point in points],
            peak=[point.peak for point in points],
        )


class ComparisonOut(Schema):
    """A stream, the broadcaster's stream before it, and the course of both in buckets of `unit_s` seconds."""

    unit_s: int
    stream: StreamFiguresOut
    before: StreamFiguresOut
    course: CourseOut
    course_before: CourseOut


class RankedBroadcasterOut(Schema):
    """A place. `category` is the slug of the one in which most was watched.

    `unique` is a sum over streams and days: who came on two days counts twice.
    """

    rank: int
    slug: str
    name: str
    category: str
    watch_minutes: int
    peak: int
    unique: int


class PastRankingOut(Schema):
    """Broadcasters by minutes watched, then peak. `as_of` null: being made; then there are no items, ask again soon."""

    as_of: datetime.datetime | None
    total: int
    items: list[RankedBroadcasterOut]
