"""Seats: the viewers' connections to this process, by stream, and what is said to them."""

import json
from typing import Any, Protocol

from apps.realtime.outbox import Message, Outbox

from .sessions import Session
from .store import Figures

NOTHING = Figures("", 0, 0, 0)


class Seat(Protocol):
    """A connection that watches a stream: the consumer, as the edge sees it."""

    session: Session
    outbox: Outbox

    def dismiss(self, code: int, reason: str) -> None:
        """Close the socket; the edge has let go of it already."""

    def reconnect_message(self, within_ms: int) -> Message:
        """What tells the tab to come back, with all that it needs to."""


class LocalStream:
    """One stream's viewers on this process."""

    __slots__ = (
        "announce_now",
        "arrived",
        "departed",
        "in_doubt",
        "known",
        "pushed",
        "pushed_at",
        "seats",
        "settling",
        "stream_id",
    )

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.seats: dict[str, Seat] = {}  # by session id: the ledger
        self.arrived: dict[str, Seat] = {}  # not told to Redis yet
        self.departed: list[Session] = []  # the same
        self.known = NOTHING  # the newest figures that Redis gave
        self.pushed: Figures | None = None  # what the sockets were last sent
        self.pushed_at = 0.0
        self.announce_now = False  # Redis lost this stream: tell it everything again
        self.in_doubt = False  # Redis does not know whether this stream is live: somebody asks the database
        self.settling = False  # and is asking it now

    @property
    def is_idle(self) -> bool:
        return not (self.seats or self.arrived or self.departed)


def text_message(content: dict[str, Any]) -> Message:
    """An ASGI message, encoded once for all who will be sent it."""
    return {"type": "websocket.send", "text": json.dumps(content, separators=(",", ":"))}


def count_message(stream_id: int, figures: Figures, at_ms: int) -> Message:
    """The figures of a stream as viewers get them."""
    return text_message(
        {
            "type": "count",
            "stream": stream_id,
            "current": figures.current,
            "peak": figures.peak,
            "total": figures.total,
            "at": at_ms,
        }
    )
