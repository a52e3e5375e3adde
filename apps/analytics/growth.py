"""Figures of days and of streams, what they add up to, and how two stretches of days compare. Pure: no I/O."""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One broadcaster's day in Seoul, over all its streams.

    `peak` is the highest of any stream, `average` the mean over the minutes live. `unique`, `new` and `returning` are
    sums over streams: who watched two of them counts twice.
    """

    day: datetime.date
    peak: int
    average: float
    unique: int
    new: int
    returning: int
    watch_minutes: int
    live_minutes: int
    streams: int


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream as a whole; `ended_at` is None while it is live.

    Made of its days' statistics, so of a live stream as of up to half an hour ago. `unique` is the sum over days: who
    watched before and after midnight counts twice.
    """

    id: int
    title: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    peak: int
    average: float
    unique: int
    watch_minutes: int
    live_minutes: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What some days come to. `peak` is the highest, `average` the mean over the minutes live, the others are sums.

    `streams` counts a stream once for each day that it was live.
    """

    peak: int = 0
    average: float = 0.0
    unique: int = 0
    new: int = 0
    returning: int = 0
    watch_minutes: int = 0
    live_minutes: int = 0
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Growth:
    """The days from `since` up to, but not including, `until`, and as many before.

    `change` has a ratio for each figure of Totals: 0.25 is a quarter more, -1.0 nothing any more; None if there was
    nothing before to compare with.
    """

    since: datetime.date
    until: datetime.date
    last: Totals
    before: Totals
    change: dict[str, float | None]


def totals_make(days: Sequence[DayFigures]) -> Totals:
    """All of them together."""
    return Totals(
        peak=max((day.peak for day in days), default=0),
        average=mean_over_time([(day.average, day.live_minutes) for day in days]),
        unique=sum(day.unique for day in days),
        new=sum(day.new for day in days),
        returning=sum(day.returning for day in days),
        watch_minutes=sum(day.watch_minutes for day in days),
        live_minutes=sum(day.live_minutes for day in days),
        streams=sum(day.streams for day in days),
    )


def mean_over_time(averages: Sequence[tuple[float, int]]) -> float:
    """The mean of (average, minutes) over all their minutes; of those alone that had none, the plain mean."""
    minutes = sum(weight for _, weight in averages)
    if minutes:
        return round(sum(average * weight for average, weight in averages) / minutes, 2)
    return round(sum(average for average, _ in averages) / len(averages), 2) if averages else 0.0


def growth_make(
    since: datetime.date, until: datetime.date, *, last: Sequence[DayFigures], before: Sequence[DayFigures]
) -> Growth:
    """How the last days compare with those before."""
    now, then = totals_make(last), totals_make(before)
    earlier = asdict(then)
    change = {
        name: round(value / earlier[name] - 1, 4) if earlier[name] else None for name, value in asdict(now).items()
    }
    return Growth(since, until, now, then, change)
