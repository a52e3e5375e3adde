"""Figures of streams as wholes, from their days."""

import datetime
from collections.abc import Sequence

from django.db.models import F, FloatField, Max, Sum
from django.utils import timezone

from apps.streams.models import Stream

from .daily import ONE_DAY, midnight
from .growth import StreamFigures, mean_over_time, sum_known
from .models import DailyStatistics
from .running_selectors import others_than, running_of
from .series import days_of

NO_TIME, ONE_MINUTE = datetime.timedelta(), datetime.timedelta(minutes=1)


def average_weighted() -> Sum:
    """Averages times the minutes that each is of."""
    return Sum(F("average_viewers") * F("live_minutes"), output_field=FloatField())


def figures_of(broadcaster_id: int, streams: Sequence[Stream]) -> list[StreamFigures]:
    """These streams of one broadcaster, newest first. Of each, days are read and its own row is not."""
    if not streams:
        return []
    now = timezone.now()
    first, end = days_of(
        min(stream.started_at for stream in streams), max(stream.ended_at or now for stream in streams) + ONE_DAY
    )
    running = running_of(broadcaster_id=broadcaster_id, streams=streams, now=now)
    rows = (
        DailyStatistics.objects.filter(
            others_than(running),
            broadcaster_id=broadcaster_id,
            day__gte=first,
            day__lt=end,
            stream_id__in=[stream.pk for stream in streams],
        )
        .order_by()
        .values_list("stream_id")
        .annotate(
            peak=Max("peak_viewers"),
            weighted=average_weighted(),
            minutes=Sum("live_minutes"),
            unique=Sum("unique_viewers"),
            watched=Sum("watch_minutes"),
        )
    )
    settled = {stream_id: rest for stream_id, *rest in rows}
    result = []
    for stream in sorted(streams, key=lambda stream: (stream.started_at, stream.pk), reverse=True):
        peak, weighted, minutes, unique, watched = settled.get(stream.pk, (0, None, 0, None, None))
        open_ = [day for day in running if day.stream_id == stream.pk]
        mean = None if weighted is None else weighted / minutes if minutes else 0.0
        unique = sum_known([unique, *(day.unique for day in open_)])
        # What is not made at all was made up to when it began.
        as_of = min((day.as_of or max(stream.started_at, midnight(day.day)) for day in open_), default=None)
        result.append(
            StreamFigures(
                id=stream.pk,
                title=stream.title,
                started_at=stream.started_at,
                ended_at=stream.ended_at,
                peak=max(stream.peak_viewers, peak, *(day.peak for day in open_)),
                average=mean_over_time([(mean, minutes), *((day.average, day.live_minutes) for day in open_)]),
                unique=unique,
                watch_minutes=sum_known([watched, *(day.watch_minutes for day in open_)]),
                # Two servers' clocks may have it end before it started.
                live_minutes=max((stream.ended_at or now) - stream.started_at, NO_TIME) // ONE_MINUTE,
                as_of=None if unique is None else as_of,
            )
        )
    return result
