"""Every read of the live audience, for code outside of the event loop. The present is read from Redis alone."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.replicas import read_now
from apps.realtime.slicing import slices

from . import house_store, past_store, store
from .house_store import Listing
from .past_store import Waiting
from .sessions import seoul_day
from .store import Figures

logger = logging.getLogger(__name__)

# Commands in one pipeline: a few ms of Redis each, so that other callers get their turn in between.
PIPELINE = 500

# Trails in one pipeline: each is walked through, which takes Redis some 50 us.
RECALLED_PER_CALL = 100
# How Redis begins to say that a key holds something else than it should. That is one stream's trouble.
SPOILT = ("WRONGTYPE", "INVALIDOBJ")
# What the columns hold on every database.
MOST_VIEWERS, MOST_VISITS = 2**31 - 1, 2**63 - 1

T = TypeVar("T")


class CountsUnavailable(Exception):
    """Redis cannot be read now."""


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """One live stream's figures for a snapshot. `unique_today` is an estimate, standard error 0.81%."""

    stream_id: int
    current: int
    peak: int
    total: int
    unique_today: int


def read(
    commands: Sequence[redis.Command],
    *,
    redis_read: Callable[[Sequence[redis.Command]], list[Any]] = redis.run_now,
    spoilt: tuple[str, ...] = (),
) -> list[Any]:
    """Replies to read commands; CountsUnavailable if any failed, but for errors that begin with one of `spoilt`."""
    try:
        replies = redis_read(commands)
    except (RedisError, OSError) as error:
        raise CountsUnavailable(str(error)) from error
    if failed := redis.first_error([reply for reply in replies if not (spoilt and _is_spoilt(reply, spoilt))]):
        raise CountsUnavailable(str(failed)) from failed
    return replies


def _is_spoilt(reply: Any, beginnings: tuple[str, ...]) -> bool:
    return isinstance(reply, ResponseError) and str(reply).startswith(beginnings)


def figures_many(stream_ids: Sequence[int]) -> dict[int, Figures]:
    """Figures of these streams; zeros for one that Redis never heard of."""
    found: dict[int, Figures] = {}
    for part in slices(stream_ids, PIPELINE):
        replies = read([store.figures(stream_id) for stream_id in part])
        found.update((stream_id, store.figures_of(reply)) for stream_id, reply in zip(part, replies, strict=True))
    return found


def listings_live() -> list[Listing]:
    """The catalogue of live streams, in no order."""
    return house_store.catalog_read(read([house_store.catalog()])[0])


def ranking(*, category_id: int | None, offset: int, limit: int) -> list[int]:
    """Live streams by viewers as of the last sweep (some seconds)."""
    return [int(member) for member in read([house_store.ranked(category_id, offset=offset, limit=limit)])[0]]


def house_viewers() -> int | None:
    """Viewers of all live streams as of the last sweep; None before the first."""
    reply = read([house_store.house()])[0]
    return None if reply is None else int(reply)


def open_tabs(viewer_id: str) -> dict[int, int]:
    """Live stream -> tabs that a viewer has open there; only streams with some. Asks every live stream."""
    found: dict[int, int] = {}
    for part in slices(listings_live(), PIPELINE):
        replies = read([store.tabs(stream_id=listing.stream_id, viewer_id=viewer_id) for listing in part])
        found.update((listing.stream_id, int(tabs)) for listing, tabs in zip(part, replies, strict=True) if tabs)
    return found


def past_waiting() -> Waiting:
    """Sessions of the whole house that are over and wait to be written into the database, and since when."""
    return past_store.house_waiting_read(read(past_store.house_waiting()))


def live_ids() -> list[int]:
    """The ids of all live streams, in no order."""
    return [int(stream_id) for stream_id in read([house_store.catalog_ids()], redis_read=read_now)[0]]


def counts_live(*, at_ms: int | None = None) -> list[LiveCounts]:
    """The figures of every live stream, for the five-minute snapshot; `unique_today` of the day of that moment.

    Read from replicas where there are any. A stream whose figures cannot be read is left out, and the log says so;
    CountsUnavailable if that is so of most.
    """
    day = seoul_day(epoch_ms() if at_ms is None else at_ms)
    return [counts for state, counts in _counts(live_ids(), day) if state != "ended"]


def counts_of(stream_ids: Sequence[int], *, at_ms: int) -> list[LiveCounts]:
    """What Redis still knows of these streams, live or ended; zeros for one that it does not know."""
    return [counts for _, counts in _counts(stream_ids, seoul_day(at_ms))]


def _counts(stream_ids: Sequence[int], day: str) -> list[tuple[str, LiveCounts]]:
    """(state, figures) of each stream that can be read."""
    found = []
    for part in slices(stream_ids, PIPELINE // 2):
        commands = [command for i in part for command in (store.figures(i), store.unique_today(stream_id=i, day=day))]
        replies = read(commands, redis_read=read_now, spoilt=SPOILT)
        for stream_id, figures, unique in zip(part, replies[::2], replies[1::2], strict=True):
            try:
                found.append(_figures_of_one(stream_id, figures, unique))
            except ValueError as error:
                logger.error("stream %s is left out of the snapshot: %s", stream_id, error)
    if len(found) < len(stream_ids) / 2:
        raise CountsUnavailable(f"only {len(found)} of {len(stream_ids)} streams have figures that can be read")
    return found


def _figures_of_one(stream_id: int, figures: Any, unique: Any) -> tuple[str, LiveCounts]:
    """ValueError for what no row can be made of."""
    for reply in (figures, unique):
        if isinstance(reply, Exception):
            raise ValueError(str(reply))
    of_stream = store.figures_of(figures)
    counts = LiveCounts(stream_id, of_stream.current, of_stream.peak, of_stream.total, int(unique))
    for value, most in (
        (counts.current, MOST_VIEWERS),
        (counts.peak, MOST_VIEWERS),
        (counts.total, MOST_VISITS),
        (counts.unique_today, MOST_VIEWERS),
    ):
        if not 0 <= value <= most:
            raise ValueError(f"{value} is no number of viewers")
    return of_stream.state, counts


def counts_recalled(stream_ids: Sequence[int], *, at_s: int, within_s: int) -> list[LiveCounts]:
    """The figures that these streams had at a moment of the last minutes, from their trails; only those that have any.

    `current` as of the point before it, `peak` what the trail had seen by then. Visits and unique viewers are in no
    trail: they are 0 here.
    """
    found = []
    for part in slices(stream_ids, RECALLED_PER_CALL):
        replies = read([store.recall(stream_id, at_s=at_s, within_s=within_s) for stream_id in part], spoilt=SPOILT)
        for stream_id, reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("the trail of stream %s cannot be read: %s", stream_id, reply)
            elif reply:
                found.append(LiveCounts(stream_id, int(reply[0]), int(reply[1]), 0, 0))
    return found
