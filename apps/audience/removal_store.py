"""Redis of who was sent away by hand: banned viewers, and viewers whose sockets an operator closed.

Part of the audience's store (see store.py); every function builds a command or reads a reply. The table of users is the
truth about bans; this is what servers look at, and a job writes it anew when Redis forgot. A token is good for an hour,
so that is how long a ban has to be remembered here: whoever is banned gets no new one.

Keys of the house, each in one slot:
    live:{streams}:banned                 sorted set   viewer -> epoch ms until which the viewer's tokens are refused
    live:{streams}:removed                sorted set   viewer|stream (0: all)|reason -> epoch ms when its sockets were
                                                       closed by hand; kept for two minutes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.realtime.redis import Command

from .house_store import pairs

BANNED = "live:{streams}:banned"
REMOVED = "live:{streams}:removed"
REMOVED_KEPT_S = 120


def ban(until: dict[str, int], *, now_ms: int) -> list[Command]:
    """Refuse tokens of these viewers until then (epoch ms); bans whose time has come are forgotten."""
    flat = [part for viewer_id, until_ms in until.items() for part in (until_ms, viewer_id)]
    forget: Command = ("ZREMRANGEBYSCORE", BANNED, "-inf", now_ms)
    return [forget, ("ZADD", BANNED, *flat)] if flat else [forget]


def unban(viewer_id: str) -> Command:
    """Take tokens of a viewer again."""
    return ("ZREM", BANNED, viewer_id)


def banned(now_ms: int) -> Command:
    """Viewers whose tokens are refused now; see `banned_read`."""
    return ("ZRANGE", BANNED, now_ms, "+inf", "BYSCORE", "WITHSCORES")


def banned_read(reply: Sequence[Any]) -> dict[str, int]:
    """Viewer -> epoch ms until which its tokens are refused."""
    return {viewer_id.decode(): int(float(until_ms)) for viewer_id, until_ms in pairs(reply)}


def remove(*, viewer_id: str, stream_id: int, reason: str, at_ms: int) -> list[Command]:
    """Note that a viewer's sockets of a stream (0: of all) were closed at that moment."""
    return [
        ("ZREMRANGEBYSCORE", REMOVED, "-inf", at_ms - REMOVED_KEPT_S * 1000),
        ("ZADD", REMOVED, at_ms, f"{viewer_id}|{stream_id}|{reason}"),
        ("EXPIRE", REMOVED, REMOVED_KEPT_S),
    ]


def removed(since_ms: int) -> Command:
    """Who was sent away since then; see `removed_read`."""
    return ("ZRANGE", REMOVED, since_ms, "+inf", "BYSCORE", "WITHSCORES")


@dataclass(frozen=True, slots=True)
class Removal:
    """Sockets of a viewer, on one stream or (0) on all, that were opened before then (epoch ms) are to close."""

    viewer_id: str
    stream_id: int
    reason: str
    at_ms: int


def removed_read(reply: Sequence[Any]) -> list[Removal]:
    """What `removed` answered, by either protocol version."""
    found = []
    for member, at_ms in pairs(reply):
        viewer_id, stream_id, reason = member.decode().split("|", 2)
        found.append(Removal(viewer_id, int(stream_id), reason, int(float(at_ms))))
    return found
