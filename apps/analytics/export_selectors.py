"""What exports are made of: 5-minute history and days of a broadcaster or one stream, a slice at a time.

Each slice is a query of its own that begins behind the last row of the one before, so that a year of rows is neither
held in memory nor by a transaction that lasts as long as the reader's line is slow.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q, QuerySet

from apps.realtime.slicing import slices
from apps.streams.models import Stream

from .daily import midnight
from .export_formats import Kind
from .models import DailyStatistics, ViewerHistory
from .ranges import DayRange
from .readers import reads

SLICE = 5_000
STREAMS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One stream's figures at one 5-minute mark."""

    captured_at: datetime.datetime
    stream_id: int
    title: str
    current: int
    peak: int
    total: int
    unique_today: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """One stream's figures of one day in Seoul."""

    day: datetime.date
    stream_id: int
    title: str
    peak: int
    average: float
    unique: int
    new: int
    returning: int
    watch_minutes: int
    live_minutes: int


Row = HistoryRow | DayRow


@dataclass(frozen=True, slots=True)
class Plan:
    """What is exported: which table, of which days, of all streams or of one.

    `titles` has the streams' titles by id, in the order in which they started; `total` is how many rows there are.
    """

    kind: Kind
    broadcaster_id: int
    stream_id: int | None
    days: DayRange
    titles: dict[int, str]
    total: int = 0

    @property
    def moments(self) -> tuple[datetime.datetime, datetime.datetime]:
        """The days as moments."""
        return midnight(self.days.since), midnight(self.days.until)


@reads("history")
def export_plan(*, kind: Kind, broadcaster_id: int, stream_id: int | None, days: DayRange) -> Plan:
    """What there is to export, with the number of rows as of now."""
    since, until = midnight(days.since), midnight(days.until)
    streams = Stream.objects.filter(Q(ended_at=None) | Q(ended_at__gte=since), broadcaster_id=broadcaster_id)
    if stream_id is not None:
        streams = streams.filter(pk=stream_id)
    rows = streams.filter(started_at__lt=until).order_by("started_at", "pk").values_list("pk", "title")
    plan = Plan(kind, broadcaster_id, stream_id, days, dict(rows.iterator()))
    if kind == "days":
        total = _days(plan).count()
    else:
        total = sum(
            ViewerHistory.objects.filter(stream_id__in=part, captured_at__gte=since, captured_at__lt=until).count()
            for part in slices(list(plan.titles), STREAMS_PER_QUERY)
        )
    return replace(plan, total=total)


def export_slice(*, plan: Plan, after: Row | None, limit: int = SLICE) -> Sequence[Row]:
    """The next rows, `limit` at most; none when it is over. `after` is the last row of the slice before."""
    if isinstance(after, DayRow) or (after is None and plan.kind == "days"):
        return _days_slice(plan=plan, after=after, limit=limit)
    return _history_slice(plan=plan, after=after, limit=limit)


@reads("history")
def _history_slice(*, plan: Plan, after: HistoryRow | None, limit: int) -> list[HistoryRow]:
    """Stream after stream, each read in the order in which its rows lie."""
    since, until = plan.moments
    found: list[HistoryRow] = []
    is_past = after is None
    for stream_id, title in plan.titles.items():
        rows = ViewerHistory.objects.filter(stream_id=stream_id, captured_at__gte=since, captured_at__lt=until)
        if after is not None and stream_id == after.stream_id:
            is_past = True
            rows = rows.filter(captured_at__gt=after.captured_at)
        if is_past:
            fields = ("captured_at", "current", "peak", "total", "unique_today")
            wanted = rows.order_by("captured_at").values_list(*fields)[: limit - len(found)]
            found += [HistoryRow(captured_at, stream_id, title, *figures) for captured_at, *figures in wanted]
        if len(found) >= limit:
            break
    return found


@reads("analytics")
def _days_slice(*, plan: Plan, after: DayRow | None, limit: int) -> list[DayRow]:
    rows = _days(plan)
    if after is not None:
        behind = Q(day__gt=after.day) | Q(day=after.day, stream_id__gt=after.stream_id)
        rows = rows.filter(behind, day__gte=after.day)
    wanted = rows.order_by("day", "stream_id").values_list(
        *("day", "stream_id", "peak_viewers", "average_viewers", "unique_viewers", "new_viewers"),
        *("returning_viewers", "watch_minutes", "live_minutes"),
    )[:limit]
    return [DayRow(day, stream_id, plan.titles.get(stream_id, ""), *figures) for day, stream_id, *figures in wanted]


def _days(plan: Plan) -> QuerySet[DailyStatistics]:
    rows = DailyStatistics.objects.filter(
        broadcaster_id=plan.broadcaster_id, day__gte=plan.days.since, day__lt=plan.days.until
    )
    return rows if plan.stream_id is None else rows.filter(stream_id=plan.stream_id)
