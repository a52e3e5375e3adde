"""A stream's day whose statistics are still to be made, or made anew: what is known of it meanwhile. Pure: no I/O.

Peak, average and time on air follow from Redis, readings and the stream itself, and are known at any moment. Who
watched and for how long follows from sessions, which the daily job adds up twice an hour.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.audience.sessions import SEOUL

from .daily import COUNTED_AT, ONE_DAY, Day, Figures, StreamOfDay, midnight
from .growth import DayFigures, mean_over_time, sum_known

# Sessions are in the database some seconds after they end; a day that was made sooner may miss the last of them.
SESSIONS_FOLLOW = datetime.timedelta(minutes=1)
# How long the job takes, as pages foretell it.
JOB_TAKES = datetime.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RunningDay:
    """One stream's day. `average` is None before its first reading, the figures of sessions before they were made.

    `as_of`: up to when sessions are in these; None with them.
    """

    day: datetime.date
    stream_id: int
    peak: int
    average: float | None
    unique: int | None
    new: int | None
    returning: int | None
    watch_minutes: int | None
    live_minutes: int
    as_of: datetime.datetime | None


def next_count(now: datetime.datetime) -> datetime.datetime:
    """When the running day is made the next time."""
    hour = now.astimezone(SEOUL).replace(minute=0, second=0, microsecond=0)
    marks = [hour + datetime.timedelta(minutes=minute) for minute in COUNTED_AT]
    found = next((mark for mark in marks if mark > now), marks[0] + datetime.timedelta(hours=1))
    return found.astimezone(datetime.UTC)


def minutes_left(now: datetime.datetime) -> int:
    """Within how many minutes the running day will have been made anew."""
    return -(-(next_count(now) + JOB_TAKES - now) // datetime.timedelta(minutes=1))


def days_run(started_at: datetime.datetime, ended_at: datetime.datetime | None, *, now: datetime.datetime) -> list[Day]:
    """The last two days of Seoul on which a stream was live: those that may not be settled."""
    first, last = started_at.astimezone(SEOUL).date(), (ended_at or now).astimezone(SEOUL).date()
    return [Day(day) for day in (last - ONE_DAY, last) if first <= day]


def may_run(until: datetime.date, *, now: datetime.datetime) -> bool:
    """Whether days before that one may be among these."""
    return midnight(until) > now - 2 * ONE_DAY


def is_settled(day: Day, stream: StreamOfDay, live_minutes: int | None, *, now: datetime.datetime) -> bool:
    """Whether statistics with so many minutes live (None: there are none) are the last word about the stream's day."""
    over_at = min(stream.ended_at or day.end, day.end)
    if live_minutes is None or over_at > now or now < next_count(over_at + SESSIONS_FOLLOW):
        return False
    return live_minutes >= day.seconds_of(stream.started_at, stream.ended_at or now) // 60


def running_make(day: Day, stream: StreamOfDay, known: Figures | None, fresh: Figures, *, is_read: bool) -> RunningDay:
    """`known` is what the daily job made last, `fresh` what is so at this moment; `is_read`: it met a snapshot."""
    began = max(stream.started_at, day.start)
    before = known.average_viewers if known is not None else None
    return RunningDay(
        day=day.date,
        stream_id=stream.stream_id,
        peak=max(fresh.peak_viewers, known.peak_viewers if known else 0),
        average=fresh.average_viewers if is_read else before,
        unique=known.unique_viewers if known else None,
        new=known.new_viewers if known else None,
        returning=known.returning_viewers if known else None,
        watch_minutes=known.watch_minutes if known else None,
        live_minutes=fresh.live_minutes,
        as_of=began + datetime.timedelta(minutes=known.live_minutes) if known else None,
    )


def days_join(days: Iterable[DayFigures], running: Iterable[RunningDay]) -> list[DayFigures]:
    """A broadcaster's days with these streams' days added, which are not in them yet; oldest first."""
    found = {one.day: one for one in days}
    for one in running:
        alone = DayFigures(
            one.day, one.peak, one.average, one.unique, one.new, one.returning, one.watch_minutes, one.live_minutes, 1
        )
        other = found.get(one.day)
        found[one.day] = alone if other is None else _both(other, alone)
    return [found[day] for day in sorted(found)]


def _both(one: DayFigures, other: DayFigures) -> DayFigures:
    return replace(
        one,
        peak=max(one.peak, other.peak),
        average=mean_over_time([(one.average, one.live_minutes), (other.average, other.live_minutes)]),
        unique=sum_known([one.unique, other.unique]),
        new=sum_known([one.new, other.new]),
        returning=sum_known([one.returning, other.returning]),
        watch_minutes=sum_known([one.watch_minutes, other.watch_minutes]),
        live_minutes=one.live_minutes + other.live_minutes,
        streams=one.streams + other.streams,
    )
