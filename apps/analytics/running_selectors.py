"""Which of a broadcaster's streams have days that are not settled, and what is known of those."""

import datetime
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Q

from apps.streams.models import Stream

from .daily import ONE_DAY, Day, Figures, Readings, StreamOfDay, Watching, figures_make
from .daily_selectors import peaks_add, readings_of_day
from .models import DailyStatistics
from .readers import reads
from .running import RunningDay, days_run, is_settled, running_make

# The last streams of a broadcaster are looked through: one is live at a time, so what runs is among them.
LOOKED_THROUGH = 50


@reads("analytics")
def running_of_broadcaster(*, broadcaster_id: int, now: datetime.datetime) -> list[RunningDay]:
    """Days that are not settled, of all the broadcaster's streams that are live or ended within a day."""
    last = Stream.objects.filter(broadcaster_id=broadcaster_id).order_by("-started_at")[:LOOKED_THROUGH]
    return running_of(broadcaster_id=broadcaster_id, streams=list(last), now=now)


@reads("analytics")
def running_of(*, broadcaster_id: int, streams: Sequence[Stream], now: datetime.datetime) -> list[RunningDay]:
    """Days that are not settled, of these streams of one broadcaster."""
    recent = [
        StreamOfDay(one.pk, broadcaster_id, one.started_at, one.ended_at, one.peak_viewers)
        for one in streams
        if one.ended_at is None or one.ended_at > now - ONE_DAY
    ]
    by_day: defaultdict[Day, list[StreamOfDay]] = defaultdict(list)
    for one in recent:
        for day in days_run(one.started_at, one.ended_at, now=now):
            by_day[day].append(one)
    if not by_day:
        return []
    known = _known(broadcaster_id, list(by_day), recent)
    found = []
    for day in sorted(by_day, key=lambda day: day.date):
        minutes = {stream_id: row.live_minutes for (date, stream_id), row in known.items() if date == day.date}
        open_ = [one for one in by_day[day] if not is_settled(day, one, minutes.get(one.stream_id), now=now)]
        if not open_:
            continue
        readings = readings_of_day(day, open_)
        for one in peaks_add(open_, now=now) if now < day.end else open_:
            read = readings.get(one.stream_id, Readings())
            fresh = figures_make(day, one, read, Watching(), now=now)
            row = known.get((day.date, one.stream_id))
            found.append(running_make(day, one, row, fresh, is_read=bool(read.snapshots)))
    return found


def others_than(running: Sequence[RunningDay]) -> Q:
    """All rows of daily_statistics but those of these streams' days."""
    found = Q()
    for one in running:
        found &= ~Q(day=one.day, stream_id=one.stream_id)
    return found


def _known(
    broadcaster_id: int, days: Sequence[Day], streams: Sequence[StreamOfDay]
) -> dict[tuple[datetime.date, int], Figures]:
    rows = DailyStatistics.objects.order_by().filter(
        broadcaster_id=broadcaster_id,
        day__in=[day.date for day in days],
        stream_id__in=[stream.stream_id for stream in streams],
    )
    return {
        (day, stream_id): Figures(*figures)
        for day, stream_id, *figures in rows.values_list("day", "stream_id", *Figures.__dataclass_fields__)
    }
