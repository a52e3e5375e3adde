"""Every read of the live audience, for code outside of the event loop. The present is read from Redis alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.exceptions import RedisError

from apps.realtime import redis

from . import past_store, store
from .past_store import Waiting
from .sessions import seoul_day
from .store import Figures, Listing

# Commands in one pipeline: a few ms of Redis each, so that other callers get their turn in between.
PIPELINE = 500

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


def slices(items: Sequence[T], size: int = PIPELINE) -> Iterator[Sequence[T]]:
    """The items in parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def read(commands: Sequence[redis.Command]) -> list[Any]:
    """Replies to read commands; CountsUnavailable if any of them failed."""
    try:
        replies = redis.run_now(commands)
    except (RedisError, OSError) as error:
        raise CountsUnavailable(str(error)) from error
    if failed := redis.first_error(replies):
        raise CountsUnavailable(str(failed)) from failed
    return replies


def figures_many(stream_ids: Sequence[int]) -> dict[int, Figures]:
    """Figures of these streams; zeros for one that Redis never heard of."""
    found: dict[int, Figures] = {}
    for part in slices(stream_ids):
        replies = read([store.figures(stream_id) for stream_id in part])
        found.update((stream_id, store.figures_of(reply)) for stream_id, reply in zip(part, replies, strict=True))
    return found


def listings_live() -> list[Listing]:
    """The catalogue of live streams, in no order."""
    return store.catalog_read(read([store.catalog()])[0])


def ranking(*, category_id: int | None, offset: int, limit: int) -> list[int]:
    """Live streams by viewers as of the last sweep (some seconds)."""
    return [int(member) for member in read([store.ranked(category_id, offset=offset, limit=limit)])[0]]


def house_viewers() -> int | None:
    """Viewers of all live streams as of the last sweep; None before the first."""
    reply = read([store.house()])[0]
    return None if reply is None else int(reply)


def open_tabs(viewer_id: str) -> dict[int, int]:
    """Live stream -> tabs that a viewer has open there; only streams with some. Asks every live stream."""
    found: dict[int, int] = {}
    for part in slices(listings_live()):
        replies = read([store.tabs(stream_id=listing.stream_id, viewer_id=viewer_id) for listing in part])
        found.update((listing.stream_id, int(tabs)) for listing, tabs in zip(part, replies, strict=True) if tabs)
    return found


def past_waiting() -> Waiting:
    """Sessions of the whole house that are over and wait to be written into the database, and since when."""
    return past_store.house_waiting_read(read(past_store.house_waiting()))


def counts_live() -> list[LiveCounts]:
    """The figures of every live stream, for the five-minute snapshot."""
    day = seoul_day(int(time.time() * 1000))
    counts = []
    for part in slices([listing.stream_id for listing in listings_live()], PIPELINE // 2):
        replies = read(
            [command for i in part for command in (store.figures(i), store.unique_today(stream_id=i, day=day))]
        )
        for stream_id, figures, unique in zip(part, replies[::2], replies[1::2], strict=True):
            of_stream = store.figures_of(figures)
            if of_stream.state != "ended":
                counts.append(LiveCounts(stream_id, of_stream.current, of_stream.peak, of_stream.total, int(unique)))
    return counts
