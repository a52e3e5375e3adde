"""Many viewers in one process, fast enough not to be what is measured: picows, one parse for equal frames."""

import asyncio
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

# One source address has about 28,000 ports towards one server; the 127/8 net has more addresses than we need.
SOURCES = [f"127.0.0.{last}" for last in range(2, 10)]
LARGEST_CROWD = 10_000  # half of the usual limit of 20,000 open files, on this side and on the server's
HANDSHAKE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one connection presents, made before the clock starts."""

    path: str
    browser_id: str
    viewer_id: str
    session_id: str


def ticket_make(stream_id: int, *, browser_id: str = "", session_id: str = "") -> Ticket:
    """A new viewer with a new tab, or the given ones."""
    from apps.audience.tokens import viewer_token_make

    browser_id, session_id = browser_id or secrets.token_hex(16), session_id or secrets.token_hex(8)
    token = viewer_token_make(
        stream_id=stream_id, viewer_id=f"a{browser_id}", session_id=session_id, browser_id=browser_id
    )
    return Ticket(f"/ws/streams/{stream_id}/?token={token}", browser_id, f"a{browser_id}", session_id)


class Visitor(WSListener):
    """One connection. picows calls it for every frame, so the common case is one comparison."""

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.transport: WSTransport | None = None
        self.close_code = 0
        self.first_count: asyncio.Future[float] | None = crowd.loop.create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.crowd.frame(frame.get_payload_as_bytes())
            if self.first_count is not None:
                self.first_count.set_result(time.monotonic())
                self.first_count = None
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = frame.get_close_code().value
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.crowd.closed[self.close_code] += 1
        if self.first_count is not None and not self.first_count.done():
            self.first_count.set_exception(ConnectionError(f"closed with {self.close_code} before the first count"))


@dataclass(slots=True)
class Crowd:
    """Opens connections and counts what they are sent."""

    address: str  # host:port
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    frames: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    message: dict[str, Any] = field(default_factory=dict)  # the newest kind of frame
    received: int = 0  # how many sockets got exactly that one
    received_at: float = 0.0  # and when the last of them did
    _payload: bytes = b""
    _opened: int = 0

    def frame(self, payload: bytes) -> None:
        """A frame came in. Frames of one push are equal, so only the first is parsed."""
        self.frames += 1
        if payload != self._payload:
            self._payload, self.received = payload, 0
            self.message = json.loads(payload)
        self.received += 1
        self.received_at = time.monotonic()

    async def join(self, ticket: Ticket) -> tuple[Visitor, float] | None:
        """Connect and wait for the first count: the visitor and the seconds it took. None if that failed."""
        self._opened += 1
        started = time.monotonic()
        try:
            _, visitor = await ws_connect(
                lambda: Visitor(self),
                f"ws://{self.address}{ticket.path}",
                extra_headers={"Origin": f"http://{self.address}", "Cookie": f"fullhouse_viewer={ticket.browser_id}"},
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                read_buffer_init_size=512,
                local_addr=(SOURCES[self._opened % len(SOURCES)], 0),
            )
            assert isinstance(visitor, Visitor)
            if visitor.first_count is None:
                return visitor, time.monotonic() - started
            return visitor, await visitor.first_count - started
        except (OSError, WSError, TimeoutError) as error:
            self.failures[f"{type(error).__name__}: {error}"[:80]] += 1
            return None

    async def join_all(self, tickets: list[Ticket], *, at_once: int) -> list[tuple[Visitor, float]]:
        """All of them, so many in flight at a time."""
        gate = asyncio.Semaphore(at_once)

        async def one(ticket: Ticket) -> tuple[Visitor, float] | None:
            async with gate:
                return await self.join(ticket)

        joined = await asyncio.gather(*(one(ticket) for ticket in tickets))
        return [each for each in joined if each is not None]

    async def leave_all(self, visitors: list[Visitor]) -> None:
        """Close every connection as a closed tab does, and wait until all are closed."""
        transports = [visitor.transport for visitor in visitors if visitor.transport is not None]
        for transport in transports:
            transport.send_close(WSCloseCode.OK)
        await asyncio.gather(*(transport.wait_disconnected() for transport in transports))
