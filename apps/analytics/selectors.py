"""Every read of the past that pages and the API show: of one stream, of one broadcaster.

All but the first hand out finished values. Ranges go from `since` up to, but not including, `until`.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Avg, Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from apps.streams.models import Stream

from .buckets import buckets_read
from .daily import ONE_DAY, midnight
from .figure_selectors import average_weighted, figures_of
from .growth import DayFigures, Growth, StreamFigures, growth_make
from .heat import HOUR_S, HeatMap, heat_make
from .models import DailyStatistics, ViewerHistory
from .ranking_selectors import ranking_past
from .readers import reader, reads
from .running import RunningDay, days_join, may_run
from .running_selectors import others_than, running_of, running_of_broadcaster
from .series import DAY_S, DETAIL, Point, Series, days_of, seoul_shift_s, series_make, unit_choose

__all__ = [
    "Comparison",
    "CoursePoint",
    "broadcaster_days",
    "broadcaster_series",
    "broadcaster_streams",
    "growth",
    "heat_map",
    "history_of_stream",
    "ranking_past",
    "stream_comparison",
    "stream_series",
    "streams_between",
]

# Of a broadcaster's streams that began longer ago than this before a range, only the last may reach into it.
LONGEST_STREAM = 31 * ONE_DAY
# Streams in one list of `broadcaster_streams`.
MOST_STREAMS = 500


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """As Point, told from when the stream started: the bucket from `after_s` seconds on."""

    after_s: int
    average: float
    peak: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A stream and the broadcaster's stream before it: figures, and viewers since each one's start, side by side."""

    unit_s: int
    stream: StreamFigures
    before: StreamFigures
    course: list[CoursePoint]
    course_before: list[CoursePoint]


def history_of_stream(*, stream_id: int, since: datetime.datetime, until: datetime.datetime) -> QuerySet[ViewerHistory]:
    """One stream's snapshots, oldest first."""
    rows = ViewerHistory.objects.using(reader("history"))
    return rows.filter(stream_id=stream_id, captured_at__gte=since, captured_at__lt=until).order_by("captured_at")


@reads("history")
def stream_series(*, stream_id: int, since: datetime.datetime, until: datetime.datetime) -> Series:
    """One stream's viewers; of more than 70 days, its days as a whole. RangeError."""
    if unit_choose(since, until) < DAY_S:
        return _series_of_snapshots([stream_id], since, until)
    # Days are found by their broadcaster; there is no index of streams alone.
    stream = Stream.objects.filter(pk=stream_id).first()
    if stream is None:
        return Series(DAY_S, since, until, [])
    broadcaster_id = stream.broadcaster_id
    which = Q(broadcaster_id=broadcaster_id, stream_id=stream_id)
    now = timezone.now()
    streams = [stream] if may_run(days_of(since, until)[1], now=now) else []
    return _series_of_days(which, since, until, running_of(broadcaster_id=broadcaster_id, streams=streams, now=now))


@reads("history")
def broadcaster_series(*, broadcaster_id: int, since: datetime.datetime, until: datetime.datetime) -> Series:
    """Viewers of all of a broadcaster's streams; of more than 70 days, of its days as a whole. RangeError."""
    if unit_choose(since, until) < DAY_S:
        return _series_of_snapshots(streams_between(broadcaster_id, since, until), since, until)
    running = running_reaching(broadcaster_id, days_of(since, until)[1])
    return _series_of_days(Q(broadcaster_id=broadcaster_id), since, until, running)


@reads("analytics")
def broadcaster_days(*, broadcaster_id: int, since: datetime.date, until: datetime.date) -> list[DayFigures]:
    """A broadcaster's days on which it was live, oldest first."""
    return _days(Q(broadcaster_id=broadcaster_id), since, until, running_reaching(broadcaster_id, until))


@reads("analytics")
def broadcaster_streams(
    *, broadcaster_id: int, since: datetime.datetime, until: datetime.datetime
) -> list[StreamFigures]:
    """A broadcaster's streams that were live in the range, newest first; 500 at most."""
    ids = streams_between(broadcaster_id, since, until)
    return figures_of(broadcaster_id, list(Stream.objects.filter(pk__in=ids[-MOST_STREAMS:])))


@reads("history")
def stream_comparison(*, stream: Stream) -> Comparison | None:
    """The stream beside the one that its broadcaster had before, 70 days of each at most; None if there was none."""
    before = (
        Stream.objects.filter(broadcaster_id=stream.broadcaster_id, started_at__lt=stream.started_at)
        .order_by("-started_at", "-pk")
        .first()
    )
    if before is None:
        return None
    longest = min(max(stream.duration, before.duration, ONE_DAY), DETAIL)
    unit_s = unit_choose(stream.started_at, stream.started_at + longest)
    figures = {one.id: one for one in figures_of(stream.broadcaster_id, [stream, before])}
    courses = [_course(one, longest, unit_s) for one in (stream, before)]
    return Comparison(unit_s, figures[stream.pk], figures[before.pk], *courses)


@reads("history")
def heat_map(*, broadcaster_id: int, until: datetime.date, weeks: int) -> HeatMap:
    """When in the week a broadcaster was watched, over the weeks before `until`; 1 to 10 of them."""
    if not 0 < weeks <= DETAIL.days // 7:
        raise ValueError(f"a heat map is of 1 to {DETAIL.days // 7} weeks")
    since = until - weeks * 7 * ONE_DAY
    start, end = midnight(since), midnight(until)
    ids = streams_between(broadcaster_id, start, end)
    return heat_make(since, until, buckets_read(ids, start, end, unit_s=HOUR_S, shift_s=seoul_shift_s(start)))


@reads("analytics")
def growth(*, broadcaster_id: int, until: datetime.date, days: int) -> Growth:
    """The last days before `until`, and as many before those."""
    since = until - days * ONE_DAY
    running = running_reaching(broadcaster_id, until)
    figures = _days(Q(broadcaster_id=broadcaster_id), since - days * ONE_DAY, until, running)
    return growth_make(
        since,
        until,
        last=[day for day in figures if day.day >= since],
        before=[day for day in figures if day.day < since],
    )


# --- streams of a broadcaster -------------------------------------------------------------------------------------


def streams_between(broadcaster_id: int, since: datetime.datetime, until: datetime.datetime) -> list[int]:
    """Ids of a broadcaster's streams that were live in the range, in the order in which they started.

    An index lists them by when they started. One is live at a time, so of those that started long before, only the last
    can have gone on for so long. One that is live now has been so until now: of a time to come nobody knows.
    """
    now = timezone.now()
    own = Stream.objects.filter(broadcaster_id=broadcaster_id)
    from_then = since - LONGEST_STREAM
    found = list(
        own.filter(started_at__gte=from_then, started_at__lt=until).values_list("started_at", "pk", "ended_at")
    )
    found += (
        own.filter(started_at__lt=from_then).order_by("-started_at").values_list("started_at", "pk", "ended_at")[:1]
    )
    return [pk for _, pk, ended_at in sorted(found, key=lambda row: row[:2]) if (ended_at or now) >= since]


def running_reaching(broadcaster_id: int, until: datetime.date) -> list[RunningDay]:
    """The broadcaster's days that are not settled; none if the range ends before there can be any."""
    now = timezone.now()
    return running_of_broadcaster(broadcaster_id=broadcaster_id, now=now) if may_run(until, now=now) else []


# --- series -------------------------------------------------------------------------------------------------------


def _series_of_snapshots(stream_ids: Sequence[int], since: datetime.datetime, until: datetime.datetime) -> Series:
    unit_s, shift_s = unit_choose(since, until), seoul_shift_s(since)
    buckets = buckets_read(stream_ids, since, until, unit_s=unit_s, shift_s=shift_s)
    return series_make(since, until, unit_s=unit_s, shift_s=shift_s, buckets=buckets)


def _series_of_days(
    which: Q, since: datetime.datetime, until: datetime.datetime, running: Sequence[RunningDay]
) -> Series:
    """Every day that the range touches, as a whole; but for one of which nothing has been read yet."""
    days = _days(which, *days_of(since, until), running)
    points = [Point(midnight(day.day), day.average, day.peak) for day in days if day.average is not None]
    return Series(DAY_S, since, until, points)


def _course(stream: Stream, longest: datetime.timedelta, unit_s: int) -> list[CoursePoint]:
    start = stream.started_at
    shift_s = -int(start.timestamp())
    buckets = buckets_read([stream.pk], start, start + longest, unit_s=unit_s, shift_s=shift_s)
    return [CoursePoint(bucket.number * unit_s, bucket.average, bucket.peak) for bucket in buckets]


# --- days ---------------------------------------------------------------------------------------------------------


def _days(which: Q, since: datetime.date, until: datetime.date, running: Sequence[RunningDay] = ()) -> list[DayFigures]:
    """Days that are settled, from the table; these streams' days, which are not, as they are now."""
    rows = (
        DailyStatistics.objects.filter(which, others_than(running), day__gte=since, day__lt=until)
        .values_list("day")
        .annotate(
            peak=Max("peak_viewers"),
            weighted=average_weighted(),
            plain=Avg("average_viewers"),
            unique=Sum("unique_viewers"),
            new=Sum("new_viewers"),
            returning=Sum("returning_viewers"),
            watched=Sum("watch_minutes"),
            live=Sum("live_minutes"),
            streams=Count("stream_id"),
        )
        .order_by("day")
    )
    settled = [
        DayFigures(
            day, peak, round(weighted / live if live else plain, 2), unique, new, returning, watched, live, count
        )
        for day, peak, weighted, plain, unique, new, returning, watched, live, count in rows
    ]
    return days_join(settled, [one for one in running if since <= one.day < until])
