"""The five-minute snapshot: read from Redis at the clock's mark, put aside there, and written into the database.

Two steps, so that neither waits for the other: what is read at a mark cannot be read again, while a database that is
away now takes it later. Each may be repeated: a snapshot that is put aside stays until it is written, and the tables'
keys make a second time change nothing.
"""

import datetime
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import Error as DatabaseTrouble
from django.db import connections, router

from apps.audience import services as audience
from apps.audience.selectors import LiveCounts, counts_live, counts_of, counts_recalled, live_ids
from apps.realtime import redis
from apps.realtime.bulk import bulk_insert_ignore
from apps.realtime.clock import epoch_ms, epoch_ms_of
from apps.realtime.slicing import slices

from . import snapshot_selectors as selectors
from . import snapshot_store as store
from . import store as days
from .daily import seoul_date
from .metrics import SNAPSHOT_SECONDS, SNAPSHOT_WRITTEN, SNAPSHOTS, SNAPSHOTS_REFUSED, SNAPSHOTS_WAITING
from .models import ViewerHistory
from .snapshots import (
    LATE_S,
    RECALLED_WITHIN_S,
    Aside,
    AsideSpoilt,
    mark_after,
    mark_of,
    marks_missed,
    pack,
    snapshot_mark,
    unpack,
)

logger = logging.getLogger(__name__)

# A run begins no further snapshot after this long, so that a worker with one process gets to its other tasks.
RUN_S = 45.0
# Rows between two signs of life to others who would write.
ROWS_PER_PART = 5_000


@dataclass(frozen=True, slots=True)
class SnapshotRun:
    """One run: streams of the snapshot that it took (None: this mark's was taken), marks written, marks that wait."""

    taken: int | None
    written: int
    waiting: int


def snapshot_run(*, now: datetime.datetime, seconds: float = RUN_S) -> SnapshotRun:
    """Take this mark's snapshot unless that is done, and write what waits for the database, for about so long at most.

    RedisError or CountsUnavailable if Redis is away. If the database is, the log says so and all waits on.
    """
    try:
        taken = snapshot_take(now=now)
    finally:
        written = snapshots_write(seconds=seconds)
    return SnapshotRun(taken, written, len(snapshots_measure()))


# --- taking -------------------------------------------------------------------------------------------------------


def snapshot_take(*, now: datetime.datetime) -> int | None:
    """Put the figures of all live streams aside; how many streams. None if this mark's are, or somebody is at it.

    Marks that nobody took are looked up in the streams' trails, which go back some minutes: the viewers of that moment
    are known from them, visits and unique viewers no better than the snapshot before has them. What no trail tells
    stays empty and is counted as lost.
    """
    mark_s = int(snapshot_mark(now).timestamp())
    if redis.ask_now([store.is_taken(mark_s)])[0]:
        return None
    is_mine, is_taken = redis.ask_now([store.taking_claim(), store.is_taken(mark_s)])
    if is_mine is None:
        if not is_taken:
            SNAPSHOTS_REFUSED.labels("take").inc()
            logger.warning("another run is still taking a snapshot: the one of %s is left to it", mark_of(mark_s))
        return None
    try:
        return None if is_taken else _take(mark_s, is_late=now.timestamp() - mark_s > LATE_S)
    finally:
        redis.ask_now([store.taking_release()])


def _take(mark_s: int, *, is_late: bool) -> int:
    found: dict[int, Aside] = {}
    if not is_late:
        started = time.monotonic()
        found[mark_s] = Aside(is_recalled=False, rows=counts_live(at_ms=mark_s * 1000))
        SNAPSHOT_SECONDS.labels("read").set(time.monotonic() - started)
        _put_aside(found, [mark_s])  # before anything else is asked for that may take long
    reply = redis.ask_now([store.settled()])[0]
    settled_s = None if reply is None else int(reply)
    missed, untold = marks_missed(settled_s=settled_s, mark_s=mark_s, is_late=is_late)
    open_ = [each for each in missed if not redis.ask_now([store.is_taken(each)])[0]]
    recalled = _recall(open_)
    lost = untold + len(open_) - len(recalled)
    if lost and settled_s is not None:
        SNAPSHOTS.labels("lost").inc(lost)
        logger.error("%d snapshot(s) before %s were not taken, and no trail goes back to them", lost, mark_of(mark_s))
    _put_aside(recalled, open_)
    redis.ask_now([store.settle(mark_s)])
    found |= recalled
    return len(found[mark_s].rows) if mark_s in found else 0


def _put_aside(asides: Mapping[int, Aside], marks: Sequence[int]) -> None:
    """Keep these for the database; nothing more is to be taken of the marks. If too many wait, the oldest go."""
    commands = [store.aside_put({mark_s: pack(aside) for mark_s, aside in asides.items()})] if asides else []
    redis.ask_now([*commands, *map(store.taken, marks)])
    for aside in asides.values():
        SNAPSHOTS.labels("recalled" if aside.is_recalled else "taken").inc()
    if over := _waiting()[: -store.MARKS_KEPT]:
        redis.ask_now([store.aside_drop(over)])
        SNAPSHOTS.labels("dropped").inc(len(over))
        logger.error("the snapshot(s) of %s are lost: too many wait already", [str(mark_of(each)) for each in over])


def _recall(marks: Sequence[int]) -> dict[int, Aside]:
    """What trails tell of these marks; only those of which they tell anything."""
    found = {}
    for mark_s in marks:
        try:
            ended = selectors.streams_ended_since(mark_of(mark_s))
        except DatabaseTrouble as error:
            logger.warning("streams that ended since are left out of the snapshot of %s: %s", mark_of(mark_s), error)
            ended = []
        rows = counts_recalled([*{*live_ids(), *ended}], at_s=mark_s, within_s=RECALLED_WITHIN_S)
        if rows:
            found[mark_s] = Aside(is_recalled=True, rows=rows)
    return found


# --- writing ------------------------------------------------------------------------------------------------------


def snapshots_write(*, seconds: float = RUN_S) -> int:
    """Write the snapshots that wait, oldest first, for about so long at most; how many. RedisError."""
    if not _waiting():
        return 0
    if redis.ask_now([store.writing_claim()])[0] is None:
        SNAPSHOTS_REFUSED.labels("write").inc()
        logger.warning("another run is still writing snapshots: what waits is left to it")
        return 0
    connection = connections[router.db_for_write(ViewerHistory)]
    written, end = 0, time.monotonic() + seconds
    try:
        connection.ensure_connection()
        while marks := _waiting():
            for mark_s in marks:
                written += _write(mark_s)
                if time.monotonic() >= end:
                    return written
    except DatabaseTrouble as error:
        logger.error("Snapshots wait on, the database does not take them: %s", error)
        if not connection.in_atomic_block:
            connection.close()  # it may be half dead: the next run begins with a new one
    finally:
        redis.ask_now([store.writing_release()])
    return written


def _waiting() -> list[int]:
    return store.aside_marks_read(redis.ask_now([store.aside_marks()])[0])


def _write(mark_s: int) -> bool:
    """One snapshot into the tables, and out of Redis; False if there is none to be written."""
    packed = redis.ask_now([store.aside(mark_s)])[0]
    if packed is None:
        return False  # another run wrote it meanwhile
    started, mark = time.monotonic(), mark_of(mark_s)
    try:
        aside = unpack(packed)
    except AsideSpoilt as error:
        SNAPSHOTS.labels("dropped").inc()
        logger.error("the snapshot of %s is lost: %s", mark, error)
        redis.ask_now([store.aside_drop([mark_s])])
        return False
    for part in slices(aside.rows, ROWS_PER_PART):
        rows = _fill(part, mark) if aside.is_recalled else part
        audience.current_viewers_upsert(rows=rows, captured_at=mark)
        history_append(captured_at=mark, rows=rows)
        redis.ask_now([store.writing_renew()])
    _brief_append(mark)
    _days_touch(mark)
    redis.ask_now([store.written_put(mark_s), store.aside_drop([mark_s])])
    SNAPSHOT_SECONDS.labels("write").set(time.monotonic() - started)
    return True


def _fill(rows: Sequence[LiveCounts], mark: datetime.datetime) -> list[LiveCounts]:
    """Give recalled rows what is known to have been reached by then: figures that only grow were at least so high."""
    known = selectors.rows_before([row.stream_id for row in rows], mark)
    day = seoul_date(epoch_ms_of(mark))
    filled = []
    for row in rows:
        peak, total, unique = row.peak, row.peak, row.current
        last = known.get(row.stream_id)
        if last is not None:
            peak, total = max(peak, last.peak), max(total, last.total)
            if seoul_date(epoch_ms_of(last.captured_at)) == day:
                unique = max(unique, last.unique_today)
        filled.append(LiveCounts(row.stream_id, row.current, peak, max(total, peak), unique))
    return filled


def _brief_append(mark: datetime.datetime) -> None:
    """A row for each stream that ended by now and met no mark: nobody watches, at the first mark after its end."""
    unseen = selectors.streams_unseen(since=selectors.mark_before(mark), until=mark)
    by_mark: defaultdict[datetime.datetime, list[selectors.UnseenStream]] = defaultdict(list)
    for stream in unseen:
        by_mark[mark_after(stream.ended_at)].append(stream)
    for captured_at, streams in by_mark.items():
        # Of the day in which it ended. Redis may know more of it than the row, and the row more than a wiped Redis.
        kept = counts_of([stream.stream_id for stream in streams], at_ms=epoch_ms_of(captured_at) - 1)
        known = {counts.stream_id: counts for counts in kept}
        rows = []
        for stream in streams:
            counts = known.get(stream.stream_id, LiveCounts(stream.stream_id, 0, 0, 0, 0))
            peak, total = max(counts.peak, stream.peak), max(counts.total, stream.total)
            rows.append(LiveCounts(stream.stream_id, 0, peak, total, counts.unique_today))
        history_append(captured_at=captured_at, rows=rows)


def _days_touch(mark: datetime.datetime) -> None:
    """The statistics of a day that is over were made without this snapshot: they are to be made again."""
    now_ms = epoch_ms()
    # That of a midnight also tells how high the peak of the day before it was.
    if (day := seoul_date(epoch_ms_of(mark) - 1)) < seoul_date(now_ms):
        redis.ask_now([days.days_touch([day], now_ms)])


def history_append(*, captured_at: datetime.datetime, rows: Sequence[LiveCounts]) -> None:
    """Write one snapshot of all these streams into viewer_history. What is there already stays as it is."""
    bulk_insert_ignore(
        ViewerHistory,
        [
            {
                "stream_id": row.stream_id,
                "captured_at": captured_at,
                "current": row.current,
                "peak": row.peak,
                "total": row.total,
                "unique_today": row.unique_today,
            }
            for row in rows
        ],
        chunk=audience.ROWS_PER_STATEMENT,
    )


def snapshots_measure() -> list[int]:
    """Set the metrics of what waits and of how far the database is; the marks that wait."""
    waiting = _waiting()
    SNAPSHOTS_WAITING.set(len(waiting))
    if (last := redis.ask_now([store.written()])[0]) is not None:
        SNAPSHOT_WRITTEN.set(int(last))
    return waiting
