"""What a snapshot needs of the database: what history has, and streams that ended. Read from the primary."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from apps.audience.selectors import PIPELINE
from apps.realtime.slicing import slices
from apps.streams.models import Stream, StreamStatus

from .daily import ONE_DAY
from .models import ViewerHistory

# A start is looked for so long before the time in which a stream ended. Those that went on for longer met a mark.
EARLIER = datetime.timedelta(hours=1)
# Snapshots are taken up to a minute after their mark, so an end shortly before one may have been missed by it.
AROUND_MARK = datetime.timedelta(minutes=10)
# Of a mark that was missed: streams that began so long before it are found if they have ended since.
LONGEST_RECALLED = 2 * ONE_DAY


def mark_before(mark: datetime.datetime) -> datetime.datetime:
    """The last mark before this one that history has a row of; a day before if there is none within it."""
    earliest = mark - ONE_DAY
    before = ViewerHistory.objects.filter(captured_at__lt=mark, captured_at__gte=earliest).order_by("-captured_at")
    return before.values_list("captured_at", flat=True).first() or earliest


@dataclass(frozen=True, slots=True)
class UnseenStream:
    """A stream that met no snapshot, and its final figures as far as its row has them."""

    stream_id: int
    ended_at: datetime.datetime
    peak: int
    total: int


def streams_unseen(*, since: datetime.datetime, until: datetime.datetime) -> list[UnseenStream]:
    """Streams that ended between two marks (the last one included) and are in no snapshot."""
    ended = Stream.objects.filter(
        status=StreamStatus.ENDED,
        started_at__gt=since - EARLIER,
        started_at__lte=until,
        ended_at__gt=since - AROUND_MARK,
        ended_at__lte=until,
    )
    rows = ended.order_by("pk").values_list("pk", "ended_at", "peak_viewers", "total_viewers")
    found: list[UnseenStream] = []
    for part in slices([UnseenStream(pk, at, peak, total) for pk, at, peak, total in rows if at is not None], PIPELINE):
        seen = ViewerHistory.objects.filter(
            stream_id__in=[stream.stream_id for stream in part],
            # None of them had begun by then, so that partitions of long ago are not looked into.
            captured_at__gt=since - EARLIER - AROUND_MARK,
        )
        seen_ids = set(seen.order_by().values_list("stream_id", flat=True).distinct())
        found += [stream for stream in part if stream.stream_id not in seen_ids]
    return found


def streams_ended_since(moment: datetime.datetime) -> list[int]:
    """Streams that were live at that moment and are over."""
    ended = Stream.objects.filter(
        status=StreamStatus.ENDED,
        started_at__gt=moment - LONGEST_RECALLED,
        started_at__lte=moment,
        ended_at__gt=moment,
    )
    return list(ended.order_by().values_list("pk", flat=True))


def rows_before(stream_ids: Sequence[int], mark: datetime.datetime) -> dict[int, ViewerHistory]:
    """The last row of each of these streams before a mark, of those that have one within a day before it."""
    last = mark_before(mark)
    found: dict[int, ViewerHistory] = {}
    # Nearly all have one of the same mark: those are read by their keys.
    for part in slices(stream_ids, PIPELINE):
        found |= {row.stream_id: row for row in ViewerHistory.objects.filter(stream_id__in=part, captured_at=last)}
    # Others began after it, or were left out of it.
    for part in slices([stream_id for stream_id in stream_ids if stream_id not in found], PIPELINE):
        rows = ViewerHistory.objects.filter(stream_id__in=part, captured_at__gte=mark - ONE_DAY, captured_at__lt=last)
        found |= {row.stream_id: row for row in rows.order_by("captured_at")}
    return found
