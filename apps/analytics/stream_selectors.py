"""Reads for the pages of statistics that are about one stream."""

import datetime

from django.utils import timezone

from apps.audience.sessions import SEOUL
from apps.streams.models import Stream

from .daily import ONE_DAY
from .figure_selectors import figures_of
from .growth import DayFigures, StreamFigures
from .models import DailyStatistics
from .ranges import MOST_DAYS, DayRange
from .readers import reads
from .running import days_join
from .running_selectors import others_than, running_of


@reads("analytics")
def stream_days(*, stream: Stream) -> list[DayFigures]:
    """The days of Seoul on which the stream was live, oldest first; the last 400 of them."""
    first = stream.started_at.astimezone(SEOUL).date()
    running = running_of(broadcaster_id=stream.broadcaster_id, streams=[stream], now=timezone.now())
    rows = DailyStatistics.objects.filter(
        others_than(running), broadcaster_id=stream.broadcaster_id, day__gte=first, stream_id=stream.pk
    ).order_by("-day")[: MOST_DAYS - len(running)]
    settled = [
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
        for row in rows
    ]
    return days_join(settled, running)


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
