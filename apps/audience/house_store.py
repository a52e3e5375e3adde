"""Redis of the audience as a whole: live streams and their ranking, server processes, what reconciliation found.

As in store.py, every function builds a command or reads a reply, and none does I/O.

Keys of the house, each in one slot:
    live:{streams}:catalog    hash         stream -> JSON {category, title, broadcaster}
    live:{streams}:categories hash         slug -> id of every category that had a live stream
    live:{streams}:ranking:all            sorted set   stream -> viewers, as of the last sweep
    live:{streams}:ranking:category:<id>  sorted set   the same of one category
    live:{streams}:viewers                number       viewers of all live streams, as of the last sweep
    live:{streams}:reconciled             hash         what the last pass of reconciliation found, and its epoch ms
    edge:{servers}            sorted set   server process -> epoch ms of its last report
    edge:{servers}:<process>  hash         what it said of itself: host, pid, role, sockets, sessions,
                                           failures since it began
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.realtime.redis import Command

from .store import PROCESS_KEPT_S as PROCESS_KEPT_S

CATALOG = "live:{streams}:catalog"
HOUSE = "live:{streams}:viewers"
CATEGORIES = "live:{streams}:categories"
RECONCILED = "live:{streams}:reconciled"
SERVERS = "edge:{servers}"


def _ranking(category_id: int | None) -> str:
    return "live:{streams}:ranking:" + ("all" if category_id is None else f"category:{category_id}")


# --- live streams ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """What the directory of live streams keeps of one stream, so that a ranking needs no database."""

    stream_id: int
    category_id: int
    category: str
    title: str
    broadcaster: str


def listing_put(listing: Listing) -> list[Command]:
    """Put one live stream into the catalogue, or renew its words."""
    words = [listing.category_id, listing.category, listing.title, listing.broadcaster]
    return [
        ("HSET", CATALOG, listing.stream_id, json.dumps(words, ensure_ascii=False, separators=(",", ":"))),
        ("HSET", CATEGORIES, listing.category, listing.category_id),
    ]


def category_id(slug: str) -> Command:
    """The id of a category that had a live stream, or None."""
    return ("HGET", CATEGORIES, slug)


def listing_drop(stream_id: int, category_id: int) -> list[Command]:
    """Take a stream out of the catalogue and of its rankings."""
    return [
        ("HDEL", CATALOG, stream_id),
        ("ZREM", _ranking(None), stream_id),
        ("ZREM", _ranking(category_id), stream_id),
    ]


def catalog() -> Command:
    """All live streams."""
    return ("HGETALL", CATALOG)


def catalog_ids() -> Command:
    """The ids of all live streams."""
    return ("HKEYS", CATALOG)


def listings(stream_ids: Sequence[int]) -> Command:
    """Some of them."""
    return ("HMGET", CATALOG, *stream_ids)


def listing_read(stream_id: int, value: bytes) -> Listing:
    """One entry of the catalogue."""
    return Listing(stream_id, *json.loads(value))


def catalog_read(reply: dict[bytes, bytes] | Sequence[bytes]) -> list[Listing]:
    """What `catalog` answered, by either protocol version."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return [listing_read(int(stream_id), value) for stream_id, value in pairs]


def rank(category_id: int | None, scores: dict[int, int], *, only_new: bool = False) -> Command:
    """Set viewers of streams in a ranking; `only_new` never moves one that is there."""
    flat = [part for stream_id, viewers in scores.items() for part in (viewers, stream_id)]
    return ("ZADD", _ranking(category_id), *(["NX"] if only_new else []), *flat)


def unrank(category_id: int | None, stream_ids: Sequence[int]) -> Command:
    """Take streams out of a ranking."""
    return ("ZREM", _ranking(category_id), *stream_ids)


def ranked(category_id: int | None, *, offset: int, limit: int) -> Command:
    """Ids of live streams, most viewers first."""
    return ("ZREVRANGE", _ranking(category_id), offset, offset + limit - 1)


def house_put(viewers: int) -> Command:
    """Set how many watch in the whole house."""
    return ("SET", HOUSE, viewers)


def house() -> Command:
    """How many watch in the whole house; nil before the first sweep."""
    return ("GET", HOUSE)


# --- server processes -----------------------------------------------------------------------------------------------


def server_report(*, server: str, now_ms: int, about: dict[str, str | int]) -> list[Command]:
    """A server process is alive and says what it is."""
    flat = [part for pair in about.items() for part in pair]
    key = f"{SERVERS}:{server}"
    return [("ZADD", SERVERS, now_ms, server), ("HSET", key, *flat), ("EXPIRE", key, PROCESS_KEPT_S)]


def server_is_new(replies: Sequence[Any]) -> bool:
    """Whether the process was not on the register before `server_report`."""
    return int(replies[0]) == 1


def server_gone(server: str) -> list[Command]:
    """A server process said goodbye, or has been silent for long."""
    return [("ZREM", SERVERS, server), ("DEL", f"{SERVERS}:{server}")]


def servers_since(epoch_ms: int) -> Command:
    """Server processes that reported since then."""
    return ("ZRANGEBYSCORE", SERVERS, epoch_ms, "+inf")


def servers_silent(epoch_ms: int) -> Command:
    """Server processes that have not reported since then."""
    return ("ZRANGEBYSCORE", SERVERS, "-inf", f"({epoch_ms}")


def server_about(server: str) -> Command:
    """What a server process said of itself; see `about_read`."""
    return ("HGETALL", f"{SERVERS}:{server}")


def servers_heard(epoch_ms: int) -> Command:
    """Server processes that reported since then, with the epoch ms of their reports; see `servers_heard_read`."""
    return ("ZRANGE", SERVERS, epoch_ms, "+inf", "BYSCORE", "WITHSCORES")


def servers_heard_read(reply: Sequence[Any]) -> dict[str, int]:
    """Server process -> epoch ms of its last report, by either protocol version."""
    return {server.decode(): int(float(at_ms)) for server, at_ms in pairs(reply)}


def about_read(reply: dict[bytes, bytes] | Sequence[bytes]) -> dict[str, str]:
    """A hash as text."""
    return {name.decode(): value.decode() for name, value in pairs(reply)}


def pairs(reply: Any) -> Iterable[tuple[Any, Any]]:
    """A hash, or members with their scores, by either protocol version: a mapping, pairs, or all in a row."""
    if isinstance(reply, dict):
        return reply.items()
    if reply and isinstance(reply[0], (list, tuple)):
        return [(first, second) for first, second in reply]
    return zip(reply[::2], reply[1::2], strict=True)


# --- reconciliation -------------------------------------------------------------------------------------------------


def reconciled_put(*, at_ms: int, streams: int, drift: int, asked: int, repaired: int) -> Command:
    """Note what a pass of reconciliation found."""
    figures = ("streams", streams, "drift", drift, "asked", asked, "repaired", repaired)
    return ("HSET", RECONCILED, "at_ms", at_ms, *figures)


def reconciled() -> Command:
    """What the last pass found; see `about_read`."""
    return ("HGETALL", RECONCILED)


def live_count() -> Command:
    """How many live streams the catalogue has."""
    return ("HLEN", CATALOG)
