"""Viewers over time: which buckets a range is drawn in, and how snapshots become points. Pure: no I/O, no clock.

Buckets are aligned to the clock of Asia/Seoul, so that those of hours and days begin when an hour or a day does there.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from apps.audience.sessions import SEOUL

# Seconds in a bucket, finest first; the finest is the time between two snapshots.
LADDER_S = (300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
DAY_S = LADDER_S[-1]
# A series has fewer points than this: more than a screen has columns, and little to send.
MOST_POINTS = 2_000
# Longer ranges are drawn from statistics of days: a year of snapshots is 105,120 rows, a year of days 365.
DETAIL = datetime.timedelta(days=70)
_TICK = datetime.timedelta(microseconds=1)


class RangeError(ValueError):
    """There is nothing between `since` and `until`, or more than a series can hold."""


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket. `at` is when it began (UTC), `average` the mean of its snapshots, `peak` the highest of them."""

    at: datetime.datetime
    average: float
    peak: int


@dataclass(frozen=True, slots=True)
class Series:
    """Viewers from `since` up to `until`, oldest first, in buckets of `unit_s`; one without snapshots has no point.

    The first and the last bucket may reach beyond the range. What lies out there is not in them, unless they are days.
    """

    unit_s: int
    since: datetime.datetime
    until: datetime.datetime
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What snapshots of one bucket come to: how many, their viewers together, the most in one."""

    number: int
    snapshots: int
    total: int
    peak: int

    @property
    def average(self) -> float:
        """The mean of its snapshots."""
        return round(self.total / self.snapshots, 2)


def seoul_shift_s(moment: datetime.datetime) -> int:
    """By how many seconds the clock of Seoul is ahead of UTC."""
    offset = moment.astimezone(SEOUL).utcoffset() or datetime.timedelta()
    return int(offset.total_seconds())


def bucket_number(moment: datetime.datetime, *, unit_s: int, shift_s: int) -> int:
    """The bucket that a moment belongs to: units since 1970, counted `shift_s` ahead of UTC."""
    return (int(moment.timestamp()) + shift_s) // unit_s


def days_of(since: datetime.datetime, until: datetime.datetime) -> tuple[datetime.date, datetime.date]:
    """The days of Seoul that the range touches: the first, and the one after the last."""
    last = (until - _TICK).astimezone(SEOUL).date()
    return since.astimezone(SEOUL).date(), last + datetime.timedelta(days=1)


def unit_choose(since: datetime.datetime, until: datetime.datetime, *, most: int = MOST_POINTS) -> int:
    """Seconds in a bucket: the finest of the ladder with fewer than `most` points, days for long ranges. RangeError."""
    if since >= until:
        raise RangeError("the range ends before it begins")
    shift_s = seoul_shift_s(since)
    for unit_s in LADDER_S if until - since <= DETAIL else (DAY_S,):
        first, last = (bucket_number(at, unit_s=unit_s, shift_s=shift_s) for at in (since, until - _TICK))
        if last - first + 1 < most:
            return unit_s
    raise RangeError(f"the range has {most:,} days or more")


def series_make(
    since: datetime.datetime, until: datetime.datetime, *, unit_s: int, shift_s: int, buckets: Iterable[Bucket]
) -> Series:
    """The series of these buckets, which come oldest first and numbered as by `bucket_number`."""
    points = [
        Point(
            datetime.datetime.fromtimestamp(bucket.number * unit_s - shift_s, tz=datetime.UTC),
            bucket.average,
            bucket.peak,
        )
        for bucket in buckets
    ]
    return Series(unit_s, since, until, points)
