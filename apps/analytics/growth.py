"""Figures of days and of streams, what they add up to, and how two stretches of days compare. Pure: no I/O."""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One broadcaster's day in Seoul, over all its streams.

    `peak` is the highest of any stream, `average` the mean over the minutes live. `unique`, `new` and `returning` are
    sums over streams: who watched two of them counts twice. None is what is not known yet of any of them.
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


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream as a whole; `ended_at` is None while it is live.

    Peak, average and time live are those of this moment. `unique` and `watch_minutes` are made twice an hour: `as_of`
    says up to when, or None if they are settled or not made yet, and then None, too. `unique` is the sum over days: who
    watched before and after midnight counts twice.
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
    as_of: datetime.datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.ended_at is not None and self.as_of is None and self.unique is not None


@dataclass(frozen=True, slots=True)
class Totals:
    """What some days come to. `peak` is the highest, `average` the mean over the minutes live, the others are sums.

    `streams` counts a stream once for each day that it was live. None is what is not known yet of any of them.
    """

    peak: int = 0
    average: float | None = 0.0
    unique: int | None = 0
    new: int | None = 0
    returning: int | None = 0
    watch_minutes: int | None = 0
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
        unique=sum_known([day.unique for day in days]),
        new=sum_known([day.new for day in days]),
        returning=sum_known([day.returning for day in days]),
        watch_minutes=sum_known([day.watch_minutes for day in days]),
        live_minutes=sum(day.live_minutes for day in days),
        streams=sum(day.streams for day in days),
    )


def sum_known(values: Sequence[int | None]) -> int | None:
    """The sum of those that are known; None if there are some and none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None


def mean_over_time(averages: Sequence[tuple[float | None, int]]) -> float | None:
    """The mean of (average, minutes) over all their minutes; of those alone that had none, the plain mean.

    What is not known is left out; None if there are some and none is known.
    """
    known = [(average, weight) for average, weight in averages if average is not None]
    minutes = sum(weight for _, weight in known)
    if minutes:
        return round(sum(average * weight for average, weight in known) / minutes, 2)
    if known:
        return round(sum(average for average, _ in known) / len(known), 2)
    return None if averages else 0.0


def growth_make(
    since: datetime.date, until: datetime.date, *, last: Sequence[DayFigures], before: Sequence[DayFigures]
) -> Growth:
    """How the last days compare with those before."""
    now, then = totals_make(last), totals_make(before)
    earlier = asdict(then)
    change = {
        name: round(value / earlier[name] - 1, 4) if earlier[name] and value is not None else None
        for name, value in asdict(now).items()
    }
    return Growth(since, until, now, then, change)
