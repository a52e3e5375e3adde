"""Every write of the live audience outside of the sockets: catalogue, endings, sweep, the table current_viewers."""

import datetime
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.bulk import bulk_upsert
from apps.realtime.clock import epoch_ms
from apps.realtime.slicing import slices
from apps.streams.models import Stream, StreamStatus
from apps.streams.services import stream_figures_raise

from . import house_store, past_store, store
from .control import tell_servers
from .house_store import Listing
from .metrics import EXPIRED, PAST_DROPPED
from .models import CurrentViewers
from .selectors import PIPELINE, LiveCounts, listings_live, past_waiting
from .sessions import seoul_day

logger = logging.getLogger(__name__)

# Of a snapshot's rows in one statement, which locks them until it is done.
ROWS_PER_STATEMENT = 500


def _do(commands: Sequence[redis.Command]) -> list[Any]:
    """Send write commands; RedisError if any failed."""
    replies = redis.run_now(commands)
    if error := redis.first_error(replies):
        raise error
    return replies


def _listing(stream: Stream) -> Listing:
    return Listing(stream.pk, stream.category_id, stream.category.slug, stream.title, stream.broadcaster.name)


def stream_list(*, stream: Stream, previous_category_id: int | None = None) -> None:
    """Put a live stream into the catalogue and rankings, or renew what they say. Repeating changes nothing."""
    commands = [
        store.live_mark(stream.pk),
        *house_store.listing_put(_listing(stream)),
        house_store.rank(None, {stream.pk: 0}, only_new=True),
        house_store.rank(stream.category_id, {stream.pk: 0}, only_new=True),
    ]
    if previous_category_id not in (None, stream.category_id):
        commands.append(house_store.unrank(previous_category_id, [stream.pk]))
    _do(commands)


def stream_close(*, stream_id: int, category_id: int) -> None:
    """The stream ended: nobody is present any more, servers close its sockets, the row gets its final figures."""
    now_ms = epoch_ms()
    ended_at = Stream.objects.filter(pk=stream_id).values_list("ended_at", flat=True).first()
    # Redis may hear of it long after: nobody watched longer than the stream went on.
    ended_ms = now_ms if ended_at is None else min(now_ms, int(ended_at.timestamp() * 1000))
    reply = _do([store.end(stream_id=stream_id, day=seoul_day(now_ms), ended_ms=ended_ms)])[0]
    peak, total = int(reply[0]), int(reply[1])
    waiting, dropped = past_store.ended_read(reply)
    _past_told({stream_id: waiting}, dropped)  # before it leaves the catalogue: past_store.py says why
    _do(house_store.listing_drop(stream_id, category_id))
    tell_servers({"type": "stream.ended", "stream": stream_id})
    stream_figures_raise(stream_id=stream_id, peak=peak, total=total)
    _snapshots_settle(CurrentViewers.objects.filter(pk=stream_id))


def stream_relist(*, stream_id: int) -> bool | None:
    """Redis does not know this stream: look it up and tell it. True live, False ended, None if there is none."""
    stream = Stream.objects.select_related("category", "broadcaster").filter(pk=stream_id).first()
    if stream is None:
        return None
    if not stream.is_live:
        stream_close(stream_id=stream.pk, category_id=stream.category_id)
        return False
    stream_list(stream=stream)
    _figures_restore([stream.pk])
    return True


def _snapshots_settle(rows: QuerySet[CurrentViewers]) -> None:
    """Rows of streams that are over: what they know goes into the final figures, and then they go."""
    for row in rows:
        stream_figures_raise(stream_id=row.stream_id, peak=row.peak, total=row.total)
    rows.delete()


def _figures_restore(stream_ids: Sequence[int]) -> None:
    """Give a Redis that lost them the peak and visits of the last snapshot, as floors: what it has is never lowered."""
    at_ms = epoch_ms()
    _do(
        [
            store.announce(
                stream_id=row.stream_id,
                day=seoul_day(at_ms),
                now_ms=at_ms,
                server="snapshot",
                held=0,
                known=store.Figures("live", 0, row.peak, row.total),
                sessions=[],
                arrivals=False,
            )
            for part in slices(stream_ids, PIPELINE)
            for row in CurrentViewers.objects.filter(pk__in=part)
        ]
    )


def catalog_rebuild() -> tuple[int, int]:
    """Bring the catalogue in line with the database: (streams put in, streams taken out). Repeating changes nothing.

    This is how a start or an end that Redis was not there to hear of gets through, and how a wiped Redis is filled.
    """
    live = {
        stream.pk: stream
        for stream in Stream.objects.filter(status=StreamStatus.LIVE).select_related("category", "broadcaster")
    }
    listed = {listing.stream_id: listing for listing in listings_live()}
    wanted = {stream_id: _listing(stream) for stream_id, stream in live.items()}
    changed = [listing for stream_id, listing in wanted.items() if listed.get(stream_id) != listing]
    for listing in changed:
        before = listed.get(listing.stream_id)
        stream_list(stream=live[listing.stream_id], previous_category_id=before.category_id if before else None)
    _figures_restore([listing.stream_id for listing in changed if listing.stream_id not in listed])
    for part in slices(list(wanted), PIPELINE):
        _do([store.live_mark(stream_id) for stream_id in part])
    over = [listing for stream_id, listing in listed.items() if stream_id not in wanted]
    closed = 0
    for listing in over:
        # Read again: a stream that started after the first read is in the catalogue by right.
        if not Stream.objects.filter(pk=listing.stream_id, status=StreamStatus.LIVE).exists():
            stream_close(stream_id=listing.stream_id, category_id=listing.category_id)
            closed += 1
    # Of streams whose end Redis never heard of, and rows that a snapshot wrote while a stream ended.
    still_live = Stream.objects.filter(status=StreamStatus.LIVE).values("pk")
    _snapshots_settle(CurrentViewers.objects.exclude(pk__in=still_live))
    return len(changed), closed


def _past_told(waiting: Mapping[int, past_store.Waiting], dropped: int) -> None:
    """Streams in which sessions wait to be written into the database go on the register; what was dropped is told."""
    some = {stream_id: one for stream_id, one in waiting.items() if one.records}
    if some:
        _do([past_store.register(some)])
    if dropped:
        PAST_DROPPED.inc(dropped)
        logger.error("%d sessions that were over are lost to the past: too many wait to be written already", dropped)


def past_register() -> None:
    """Put every live stream in which sessions wait on the register now, without waiting for the next sweep."""
    for part in slices(listings_live(), PIPELINE):
        replies = _do([past_store.acknowledge(stream_id=listing.stream_id, ids=()) for listing in part])
        waiting = zip(part, map(past_store.waiting_read, replies), strict=True)
        _past_told({listing.stream_id: one for listing, one in waiting}, 0)


def _past_room() -> int:
    """How many records of sessions may wait in a stream from now on: none once as many as allowed wait in the house."""
    most: int = settings.SESSIONS_WAITING_MAX
    return 0 if past_waiting().records >= most else most


def audience_sweep(*, now_ms: int | None = None) -> int:
    """Take out silent sessions of all live streams and set the rankings right; how many sessions went.

    Also tells the register in which streams sessions wait that are over, and the streams how many may.

    Safe to run twice or late: silence is a time, and rankings are overwritten with what is true now.
    """
    at_ms = epoch_ms() if now_ms is None else now_ms
    day, room = seoul_day(at_ms), _past_room()
    expired = house = 0
    for part in slices(listings_live(), PIPELINE):
        viewers: dict[int, int] = {}
        waiting: dict[int, past_store.Waiting] = {}
        dropped = 0
        left = part
        while left:
            replies = redis.run_now(
                [store.sweep(stream_id=item.stream_id, day=day, now_ms=at_ms, room=room) for item in left]
            )
            unfinished = []
            for listing, reply in zip(left, replies, strict=True):
                if isinstance(reply, RedisError):
                    logger.error("stream %s could not be swept", listing.stream_id, exc_info=reply)
                    continue
                figures, went = store.figures_read(reply), int(reply[4])
                expired += went
                waiting[listing.stream_id], lost = past_store.swept_read(reply)
                dropped += lost
                if figures.state != "ended":
                    viewers[listing.stream_id] = figures.current
                if went == store.SWEPT_PER_CALL:
                    unfinished.append(listing)  # a server died with many: all of them go now, a call at a time
            left = unfinished
        house += sum(viewers.values())
        _past_told(waiting, dropped)
        rankings_set(listings=part, viewers=viewers)
    _do([house_store.house_put(house)])
    EXPIRED.inc(expired)
    return expired


def rankings_set(*, listings: Sequence[Listing], viewers: dict[int, int]) -> None:
    """Put these streams into the rankings by their viewers; those that `viewers` lacks are left as they are."""
    scores: dict[int | None, dict[int, int]] = defaultdict(dict)
    for listing in listings:
        if listing.stream_id in viewers:
            for ranking in (None, listing.category_id):
                scores[ranking][listing.stream_id] = viewers[listing.stream_id]
    ranks = [house_store.rank(category_id, of_category) for category_id, of_category in scores.items()]
    # Read after the ranks are written: a stream that left the catalogue or its category meanwhile was put back by them,
    # and nothing else would take it out again.
    words = _do([*ranks, house_store.listings([listing.stream_id for listing in listings])])[-1]
    strays: dict[int | None, list[int]] = defaultdict(list)
    for listing, word in zip(listings, words, strict=True):
        if word is None:
            strays[None].append(listing.stream_id)
        if word is None or house_store.listing_read(listing.stream_id, word).category_id != listing.category_id:
            strays[listing.category_id].append(listing.stream_id)
    _do([house_store.unrank(category_id, stream_ids) for category_id, stream_ids in strays.items()])


def current_viewers_upsert(*, rows: Sequence[LiveCounts], captured_at: datetime.datetime) -> int:
    """Write the snapshot into current_viewers, a row a stream; how many rows.

    Peak and visits only grow, so a Redis that lost them does not pull the table down; a repeat changes nothing.
    """
    values = [
        {
            "stream_id": row.stream_id,
            "current": row.current,
            "peak": row.peak,
            "total": row.total,
            "unique_today": row.unique_today,
            "captured_at": captured_at,
        }
        for row in rows
    ]
    bulk_upsert(
        CurrentViewers,
        values,
        update=["current", "unique_today"],
        greatest=["peak", "total"],
        newest_by="captured_at",  # a run that was held up must not undo a newer one
        chunk=ROWS_PER_STATEMENT,
    )
    return len(values)
