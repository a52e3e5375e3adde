"""When in the week a broadcaster is watched: hours of Asia/Seoul, Monday first. Pure: no I/O, no clock."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from .series import Bucket

HOUR_S = 3_600
HOURS = 24
DAYS = 7
# 1970-01-01 was a Thursday.
FIRST_WEEKDAY = 3


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One hour of the week over all weeks: mean and highest of its snapshots; None and 0 if it was never live then."""

    average: float | None
    peak: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """`cells[weekday][hour]`, Monday and midnight first; the days from `since` up to, but not including, `until`."""

    since: datetime.date
    until: datetime.date
    cells: list[list[HeatCell]]


def heat_make(since: datetime.date, until: datetime.date, hours: Iterable[Bucket]) -> HeatMap:
    """The map of these buckets, which are hours of Seoul, numbered from the midnight that began 1970 there."""
    snapshots, total, peak = ([0] * (DAYS * HOURS) for _ in range(3))
    for bucket in hours:
        place = (bucket.number + FIRST_WEEKDAY * HOURS) % (DAYS * HOURS)
        snapshots[place] += bucket.snapshots
        total[place] += bucket.total
        peak[place] = max(peak[place], bucket.peak)
    cells = [
        HeatCell(round(total[place] / snapshots[place], 2) if snapshots[place] else None, peak[place])
        for place in range(DAYS * HOURS)
    ]
    return HeatMap(since, until, [cells[start : start + HOURS] for start in range(0, DAYS * HOURS, HOURS)])
