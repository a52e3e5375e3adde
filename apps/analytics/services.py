"""Every write of the past. Each may be repeated: the tables' keys make a second time change nothing."""

import datetime
from collections.abc import Sequence

from apps.audience.selectors import LiveCounts, counts_live
from apps.audience.services import current_viewers_upsert
from apps.realtime import redis
from apps.realtime.bulk import bulk_insert_ignore

from . import store
from .models import ViewerHistory

SNAPSHOT_SECONDS = 300
# A worker's clock may be a little behind beat's: what arrives just before a mark was sent for that mark.
CLOCK_SKEW_SECONDS = 2


def snapshot_mark(now: datetime.datetime) -> datetime.datetime:
    """The 5-minute mark of the clock to which a snapshot at `now` belongs."""
    seconds = int(now.timestamp()) + CLOCK_SKEW_SECONDS
    return datetime.datetime.fromtimestamp(seconds - seconds % SNAPSHOT_SECONDS, tz=datetime.UTC)


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
    )


def snapshot_take(*, now: datetime.datetime) -> int:
    """Write the figures of all live streams into current_viewers and viewer_history; how many streams.

    Taken twice for one mark, current_viewers follows the later figures and viewer_history keeps the first.
    """
    rows = counts_live()
    captured_at = snapshot_mark(now)
    current_viewers_upsert(rows=rows, captured_at=captured_at)
    history_append(captured_at=captured_at, rows=rows)
    return len(rows)


def snapshot_take_once(*, now: datetime.datetime) -> int | None:
    """`snapshot_take`, unless this mark's snapshot is taken already or being taken: then None.

    This spares the database a second round when two beats run or a task is late. It promises nothing: Redis may forget
    a claim, and then the tables' keys see to it that no row doubles. A run that fails gives its claim back.
    """
    mark_s = int(snapshot_mark(now).timestamp())
    if _ask(store.snapshot_claim(mark_s)) is None:
        return None
    try:
        return snapshot_take(now=now)
    except BaseException:
        _ask(store.snapshot_release(mark_s))
        raise


def _ask(command: redis.Command) -> object:
    """One command's reply; RedisError if it failed."""
    replies = redis.run_now([command])
    if error := redis.first_error(replies):
        raise error
    return replies[0]
