"""Streams that are over, their snapshots and their days, for tests of what reads them."""

import datetime
from collections.abc import Iterable

from apps.analytics.models import DailyStatistics, ViewerHistory
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start

STEP = datetime.timedelta(minutes=5)


def stream_past(
    name: str,
    started: datetime.datetime,
    ended: datetime.datetime | None,
    *,
    owner: str = "mina",
    category: str = "talk",
    peak: int = 0,
) -> Stream:
    """A stream of these times; live if it has not ended."""
    stream = stream_start(
        broadcaster=broadcaster_ensure(name=owner, slug=owner),
        category=category_ensure(slug=category, name=category.title()),
        title=name,
        started_at=started,
    )
    if ended is not None:
        Stream.objects.filter(pk=stream.pk).update(status="ended", ended_at=ended, peak_viewers=peak)
        stream.refresh_from_db()
    return stream


def history_make(stream: Stream, snapshots: Iterable[tuple[datetime.datetime, int]]) -> None:
    """Its snapshots: when, and how many viewers."""
    ViewerHistory.objects.bulk_create(
        [
            ViewerHistory(stream_id=stream.pk, captured_at=at, current=viewers, peak=viewers, total=0, unique_today=0)
            for at, viewers in snapshots
        ]
    )


def day_make(
    stream: Stream, day: datetime.date, *, peak: int, average: float, unique: int, new: int, watched: int, live: int
) -> None:
    """Its statistics of one day."""
    DailyStatistics.objects.create(
        day=day,
        stream_id=stream.pk,
        broadcaster_id=stream.broadcaster_id,
        peak_viewers=peak,
        average_viewers=average,
        unique_viewers=unique,
        new_viewers=new,
        returning_viewers=unique - new,
        watch_minutes=watched,
        live_minutes=live,
    )
