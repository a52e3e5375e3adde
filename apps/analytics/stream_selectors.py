"""Reads for the pages of statistics that are about one stream, and about how far today's figures have come."""

import datetime

from apps.audience.sessions import SEOUL
from apps.streams.models import Stream

from .daily import ONE_DAY, midnight
from .growth import DayFigures, StreamFigures
from .models import DailyStatistics
from .ranges import MOST_DAYS, DayRange
from .readers import reads
from .selectors import figures_of


@reads("analytics")
def stream_days(*, stream: Stream) -> list[DayFigures]:
    """The days of Seoul on which the stream was live, oldest first; the last 400 of them."""
    first = stream.started_at.astimezone(SEOUL).date()
    rows = DailyStatistics.objects.filter(
        broadcaster_id=stream.broadcaster_id, day__gte=first, stream_id=stream.pk
    ).order_by("-day")[:MOST_DAYS]
    return [
        DayFigures(
            day=row.day,
            peak=row.peak_viewers,
            average=row.average_viewers,
            unique=row.unique_viewers,
            new=row.new_viewers,
            returning=row.returning_viewers,
            watch_minutes=row.watch_minutes,
            live_minutes=row.live_minutes,
            streams=1,
        )
        for row in reversed(rows)
    ]


def stream_range(stream: Stream, *, now: datetime.datetime) -> DayRange:
    """The days on which a stream was live; of one that went on for longer than a range may be, the last of them."""
    first = stream.started_at.astimezone(SEOUL).date()
    last = max(first, (stream.ended_at or now).astimezone(SEOUL).date())
    return DayRange(max(first, last + ONE_DAY - MOST_DAYS * ONE_DAY), last + ONE_DAY)


@reads("analytics")
def stream_figures(*, stream: Stream) -> StreamFigures:
    """The stream as a whole. Its row is not asked for again: a replica may not have one yet that has just begun."""
    (figures,) = figures_of(stream.broadcaster_id, [stream])
    return figures


@reads("analytics")
def today_as_of(*, stream: Stream, today: datetime.date) -> datetime.datetime | None:
    """Up to which moment the statistics of today know a live stream; None: not at all yet."""
    minutes = (
        DailyStatistics.objects.filter(broadcaster_id=stream.broadcaster_id, day=today, stream_id=stream.pk)
        .values_list("live_minutes", flat=True)
        .first()
    )
    if minutes is None:
        return None
    return max(stream.started_at, midnight(today)) + datetime.timedelta(minutes=minutes)
