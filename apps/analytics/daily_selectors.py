"""What a day's statistics are made of."""

import datetime
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Count, DateTimeField, F, Func, Max, Q, Sum, Value
from django.db.models.functions import Greatest, Least
from django.db.models.sql.compiler import SQLCompiler

from apps.audience.selectors import PIPELINE, CountsUnavailable, counts_of
from apps.realtime.slicing import slices
from apps.streams.models import Stream, StreamStatus

from .daily import LONGEST_SESSION, ONE_DAY, Day, Readings, StreamOfDay, Watching
from .models import UserSession, ViewerHistory, Visitor
from .readers import reads
from .readings import is_reading

logger = logging.getLogger(__name__)

# So many broadcasters are looked up by their index; of more, all streams of the day are read.
BROADCASTERS_ASKED = 500
# SQLite takes a range with two ends for narrower than one with one, and the index of ends for the better one.
NEVER = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)


def oldest_day(today: datetime.date) -> datetime.date | None:
    """The first day whose statistics can be made: all sessions are there that add to it. None if all ever are.

    With a retention of a week or less, yesterday; then the longest sessions are missing from it.
    """
    kept: int = settings.SESSIONS_KEPT_DAYS
    return None if kept == 0 else today - max(kept - LONGEST_SESSION.days, min(kept - 1, 1)) * ONE_DAY


@reads("analytics")
def streams_of_day(day: Day, broadcasters: Collection[int] | None = None) -> list[StreamOfDay]:
    """Every stream, or every one of these broadcasters, that was live on the day, by id."""
    # Two questions that an index answers each, instead of one that reads all streams there ever were. Only what is
    # over has an end, so the second needs no status; with one, another index might be taken.
    questions = (Q(status=StreamStatus.LIVE), Q(ended_at__gte=day.start, ended_at__lt=NEVER))
    found: dict[int, StreamOfDay] = {}
    for question in questions:
        streams = Stream.objects.filter(question, started_at__lt=day.end)
        if broadcasters is not None and len(broadcasters) <= BROADCASTERS_ASKED:
            streams = streams.filter(broadcaster_id__in=broadcasters)
        rows = streams.values_list("pk", "broadcaster_id", "started_at", "ended_at", "peak_viewers")
        for row in rows.iterator():
            if broadcasters is None or row[1] in broadcasters:
                found[row[0]] = StreamOfDay(*row)
    return [found[stream_id] for stream_id in sorted(found)]


def peaks_add(streams: Sequence[StreamOfDay], *, now: datetime.datetime) -> list[StreamOfDay]:
    """The same, those that are live with the most at once since they started, which Redis has.

    Without Redis, or of one that it does not know, that is what the last snapshot saw.
    """
    live = [stream.stream_id for stream in streams if stream.ended_at is None]
    try:
        peaks = {one.stream_id: one.peak for one in counts_of(live, at_ms=int(now.timestamp() * 1000))}
    except CountsUnavailable as error:
        logger.warning("the peaks of %d live stream(s) are those of their last snapshots: %s", len(live), error)
        return list(streams)
    return [replace(stream, peak=max(stream.peak, peaks.get(stream.stream_id, 0))) for stream in streams]


@reads("analytics")
def owners_of(stream_ids: Collection[int]) -> dict[int, int]:
    """The broadcasters of these streams, but for streams that are gone."""
    owners: dict[int, int] = {}
    for part in slices(sorted(stream_ids), PIPELINE):
        owners.update(Stream.objects.filter(pk__in=part).values_list("pk", "broadcaster_id"))
    return owners


@reads("analytics")
def readings_of_day(day: Day, streams: Sequence[StreamOfDay]) -> dict[int, Readings]:
    """What snapshots say of these streams.

    The snapshot of the midnight that ends the day belongs to the next one, but the peak that it tells of was reached
    before it.
    """
    history = ViewerHistory.objects.order_by()
    in_day = Q(captured_at__lt=day.end) & is_reading()
    rows = (
        history.filter(stream_id__in=_ids(streams), captured_at__gte=day.start, captured_at__lte=day.end)
        .values_list("stream_id")
        .annotate(
            count=Count("current", filter=in_day),
            sum=Sum("current", filter=in_day),
            highest=Max("current", filter=in_day),
            by_end=Max("peak", filter=Q(captured_at__gt=day.start)),
        )
    )
    older = [stream for stream in streams if stream.started_at < day.start]
    before = dict(
        history.filter(stream_id__in=_ids(older), captured_at__gt=day.start - ONE_DAY, captured_at__lte=day.start)
        .values_list("stream_id")
        .annotate(Max("peak"))
        if older
        else ()
    )
    return {
        stream_id: Readings(count, total or 0, highest or 0, peak or 0, before.get(stream_id))
        for stream_id, count, total, highest, peak in rows
    }


@reads("analytics")
def watched_of_day(day: Day, streams: Sequence[StreamOfDay]) -> dict[int, tuple[int, int]]:
    """(different viewers, seconds that all sessions together watched on the day) of each stream that had any."""
    seconds: defaultdict[int, int] = defaultdict(int)
    viewers: dict[int, int] = {}
    older = [stream for stream in streams if stream.started_at < day.start]
    younger = [stream for stream in streams if stream.started_at >= day.start]
    for group, since in ((older, day.start - LONGEST_SESSION), (younger, day.start)):
        if not group:
            continue
        sessions = UserSession.objects.order_by().filter(
            stream_id__in=_ids(group), joined_at__gte=since, joined_at__lt=day.end
        )
        of_day = sessions.filter(Q(joined_at__gte=day.start) | Q(left_at__gt=day.start))
        viewers.update(of_day.values_list("stream_id").annotate(Count("viewer_id", distinct=True)))
        whole = Q(joined_at__gte=day.start, left_at__lte=day.end)
        seconds.update(of_day.filter(whole).values_list("stream_id").annotate(Sum("seconds")))
        crossing = of_day.exclude(whole).values_list("stream_id")
        for stream_id, inside in crossing.annotate(inside=Sum(_seconds_inside(day))):
            seconds[stream_id] += int(inside)
    return {stream_id: (count, seconds[stream_id]) for stream_id, count in viewers.items()}


class _WholeSeconds(Func):
    """Of a duration, which every database that is supported counts in microseconds; the rest is dropped."""

    template = "(%(expressions)s DIV 1000000)"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any) -> Any:
        # Whole numbers divide into a whole one there.
        return self.as_sql(compiler, connection, template="(%(expressions)s / 1000000)", **extra_context)


def _seconds_inside(day: Day) -> _WholeSeconds:
    """As Day.seconds_of, of a session that reaches into the day. In SQL, since one midnight may cut a million."""
    since, until = (Value(moment, output_field=DateTimeField()) for moment in (day.start, day.end))
    return _WholeSeconds(Least(F("left_at"), until) - Greatest(F("joined_at"), since))


def new_of_day(day: Day, streams: Sequence[StreamOfDay]) -> dict[int, int]:
    """How many viewers of each stream came to its broadcaster for the first time in it, on that day.

    Reads from the primary, where `visitors_note` wrote just before.
    """
    visitors, sessions, all_streams = (model._meta.db_table for model in (Visitor, UserSession, Stream))
    connection = connections[router.db_for_write(Visitor)]
    marks = ", ".join(["%s"] * len(streams))
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (day.start, day.end)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT us.stream_id, COUNT(DISTINCT us.viewer_id) FROM {sessions} us"  # noqa: S608  names are the models'
            f" JOIN {all_streams} st ON st.id = us.stream_id"
            f" JOIN {visitors} vi ON vi.broadcaster_id = st.broadcaster_id AND vi.viewer_id = us.viewer_id"
            f" AND vi.first_at = us.joined_at"
            f" WHERE us.stream_id IN ({marks}) AND us.joined_at >= %s AND us.joined_at < %s GROUP BY us.stream_id",
            [*_ids(streams), *moments],
        )
        return {int(stream_id): int(count) for stream_id, count in cursor.fetchall()}


def watching_make(watched: dict[int, tuple[int, int]], new: dict[int, int]) -> dict[int, Watching]:
    """Both answers in one."""
    return {
        stream_id: Watching(viewers, new.get(stream_id, 0), seconds)
        for stream_id, (viewers, seconds) in watched.items()
    }


def _ids(streams: Iterable[StreamOfDay]) -> list[int]:
    return [stream.stream_id for stream in streams]
