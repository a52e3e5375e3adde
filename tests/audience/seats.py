"""A server process without sockets: edge, board and pulse on the test's event loop, with seats that remember."""

import json
import time
from collections.abc import Callable
from typing import Any

from apps.audience.board import Board
from apps.audience.edge import Edge
from apps.audience.pulse import Pulse
from apps.audience.seats import LocalStream
from apps.audience.sessions import Session
from apps.realtime.outbox import Outbox
from tests.realtime.peers import Peer


class WatchSeat:
    """What the consumer is to the edge. `dismissed` holds the closes that the edge asked for."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.peer = Peer()
        self.outbox = Outbox(self.peer, self._abandon)
        self.dismissed: list[tuple[int, str]] = []

    def _abandon(self) -> None:
        raise AssertionError("nobody is given up here")

    def dismiss(self, code: int, reason: str) -> None:
        self.dismissed.append((code, reason))

    def reconnect_message(self, within_ms: int) -> dict[str, Any]:
        return {"type": "websocket.send", "text": json.dumps({"type": "reconnect", "within_ms": within_ms})}

    @property
    def frames(self) -> list[dict[str, Any]]:
        """What this viewer was sent."""
        return [json.loads(text) for text in self.peer.texts]

    @property
    def counts(self) -> list[tuple[int, int, int]]:
        """The figures it was sent: current, peak, total."""
        return [(f["current"], f["peak"], f["total"]) for f in self.frames if f["type"] == "count"]


class Process:
    """One server process."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.board = Board(self.edge)
        self.pulse = Pulse(self.edge)

    def seat(self, viewer: str, tab: str = "", *, stream_id: int = 7) -> WatchSeat:
        """A new connection, not joined yet."""
        session_id = tab or f"{viewer}-1"
        return WatchSeat(self.edge.session_make(session_id=session_id, viewer_id=viewer, stream_id=stream_id))

    def join(self, viewer: str, tab: str = "", *, stream_id: int = 7) -> WatchSeat:
        seat = self.seat(viewer, tab, stream_id=stream_id)
        self.edge.join(seat)
        return seat

    @property
    def stream(self) -> LocalStream:
        """Stream 7, as this process has it."""
        return self.edge.streams[7]

    async def tick_after(self, seconds: float) -> None:
        """A tick of the board as if the last push had been so long ago."""
        for stream in self.edge.streams.values():
            stream.pushed_at = time.monotonic() - seconds
        await self.board.tick()


NewProcess = Callable[[], Process]
REPLACED = (4409, "replaced: this tab was opened elsewhere")
ENDED = (4410, "ended: the stream is over")
