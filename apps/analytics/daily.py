"""A stream's figures of one day in Seoul: the arithmetic, without I/O and without a clock.

A day is one of Asia/Seoul, whatever zone the database stores moments in. What crosses midnight is cut there: each day
has its own part of a stream's time and of what its viewers watched.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from apps.audience.sessions import SEOUL

ONE_DAY = datetime.timedelta(days=1)

# Minutes past every hour at which the running day is made anew; not one of a snapshot, which takes up to a minute.
COUNTED_AT = (12, 42)

# A session that began longer ago than this before a day adds nothing to it: so few partitions have to be read.
LONGEST_SESSION = 7 * ONE_DAY

Span = tuple[int, datetime.datetime, datetime.datetime]  # stream, joined, left
Touched = tuple[datetime.date, int | None]  # a day, and a stream that stands for its broadcaster; None: all of them


def seoul_date(epoch_ms: int) -> datetime.date:
    """The day that it is in Seoul."""
    return datetime.datetime.fromtimestamp(epoch_ms / 1000, SEOUL).date()


def midnight(day: datetime.date) -> datetime.datetime:
    """When the day begins in Seoul."""
    return datetime.datetime.combine(day, datetime.time(), tzinfo=SEOUL).astimezone(datetime.UTC)


def days_between(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    """Both and those in between; none if `last` is before `first`."""
    for number in range((last - first).days + 1):
        yield first + number * ONE_DAY


def days_touched(spans: Iterable[Span], *, before: datetime.date) -> set[Touched]:
    """The streams, and the days before that one, to which any of these sessions adds something."""
    limit = midnight(before)
    whole = {
        (stream_id, joined.astimezone(SEOUL).date(), left.astimezone(SEOUL).date())
        for stream_id, joined, left in spans
        if joined < limit
    }
    return {
        (day, stream_id)
        for stream_id, first, last in whole
        for day in days_between(first, min(last, before - ONE_DAY, first + LONGEST_SESSION))
    }


@dataclass(frozen=True, slots=True)
class Due:
    """What changed since it was last computed, and of whom the streams in it are; those that are gone have no owner.

    A change of one day has all later ones made again, too: who came to a broadcaster on a day is new on none after it.
    """

    changed: frozenset[Touched]
    owners: Mapping[int, int]

    @property
    def first(self) -> datetime.date | None:
        """The earliest day to be made again."""
        return min((day for day, one in self.changed if one is None or one in self.owners), default=None)

    def until(self, day: datetime.date) -> frozenset[Touched]:
        """What changed on that day or before it, as the day is made again for it."""
        return frozenset((day, one) for changed, one in self.changed if changed <= day)

    def broadcasters(self, day: datetime.date) -> frozenset[int] | None:
        """Whose streams are to be made again on the day; None: everybody's."""
        streams = {one for _, one in self.until(day)}
        owners = frozenset(self.owners[one] for one in streams if one is not None and one in self.owners)
        return None if None in streams else owners


@dataclass(frozen=True)
class Day:
    """One day of Seoul; `start` up to, but not including, `end`."""

    date: datetime.date

    @cached_property
    def start(self) -> datetime.datetime:
        """Its midnight, in UTC."""
        return midnight(self.date)

    @cached_property
    def end(self) -> datetime.datetime:
        """The next one, in UTC: usually, but where clocks change not always, 24 hours later."""
        return midnight(self.date + ONE_DAY)

    def seconds_of(self, since: datetime.datetime, until: datetime.datetime) -> int:
        """Whole seconds of that time which lie in this day."""
        return max(0, (min(until, self.end) - max(since, self.start)) // datetime.timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class StreamOfDay:
    """A stream that was live on the day. `peak` is its own: the final one, or of one that is live that of this moment.

    0 if nobody knows it.
    """

    stream_id: int
    broadcaster_id: int
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    peak: int


@dataclass(frozen=True, slots=True)
class Readings:
    """What the snapshots of the day say of one stream.

    `snapshots` of them with `total` viewers together and `highest` in one. Each also knows the most at once since the
    stream started: `peak_by_end` by the end of the day, `peak_before` by its start (None: nobody looked then).
    """

    snapshots: int = 0
    total: int = 0
    highest: int = 0
    peak_by_end: int = 0
    peak_before: int | None = None


@dataclass(frozen=True, slots=True)
class Watching:
    """What sessions say of one stream's day: different viewers, those new to the broadcaster, seconds of them all."""

    viewers: int = 0
    new: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of daily_statistics, without its key."""

    peak_viewers: int
    average_viewers: float
    unique_viewers: int
    new_viewers: int
    returning_viewers: int
    watch_minutes: int
    live_minutes: int


def figures_make(
    day: Day, stream: StreamOfDay, readings: Readings, watching: Watching, *, now: datetime.datetime
) -> Figures:
    """One stream's figures of the day; of one that still goes on, up to `now`."""
    live_s = day.seconds_of(stream.started_at, stream.ended_at or now)
    return Figures(
        peak_viewers=peak_of_day(day, stream, readings, now=now),
        average_viewers=_average(readings, watching, live_s),
        unique_viewers=watching.viewers,
        new_viewers=watching.new,
        returning_viewers=watching.viewers - watching.new,
        watch_minutes=watching.seconds // 60,
        live_minutes=live_s // 60,
    )


def peak_of_day(day: Day, stream: StreamOfDay, readings: Readings, *, now: datetime.datetime) -> int:
    """The most viewers at once on that day, as far as it has come.

    Snapshots miss what happens between them, but the stream's own peak does not. If that rose during the day, it was
    reached then; if not, or if nobody knows what it was before, what snapshots saw is all that is known.
    """
    by_end = readings.peak_by_end
    if (stream.ended_at or now) <= day.end:
        by_end = max(by_end, stream.peak)
    before = 0 if stream.started_at >= day.start else readings.peak_before
    has_risen = before is not None and by_end > before
    return max(readings.highest, by_end if has_risen else 0)


def _average(readings: Readings, watching: Watching, live_s: int) -> float:
    """The mean of the snapshots; of a stream between two of them, the time watched for each second that it was live."""
    if readings.snapshots:
        return round(readings.total / readings.snapshots, 2)
    return round(watching.seconds / live_s, 2) if live_s else 0.0
