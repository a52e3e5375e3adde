"""What the fault tests look at: single tabs with every frame they got, and a stream's figures as Redis has them."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connections
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from redis.exceptions import RedisError

from apps.audience import store
from apps.audience.reconciliation import Audit, audit_read
from apps.realtime import redis
from tests.load.crowd import Ticket
from tests.services.waiting import NOT_YET, eventually_async
from tests.services.web import WebServer

T = TypeVar("T")


class Tab(WSListener):
    """One socket, opened as a browser opens it; keeps every frame."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.close_code = 0
        self.close_reason = ""
        self.is_open = False
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport, self.is_open = transport, True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.frames.append(json.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = frame.get_close_code().value
            self.close_reason = frame.get_close_reason() or ""
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_open = False

    def send(self, content: object) -> None:
        """Send one JSON frame."""
        self.transport.send(WSMsgType.TEXT, json.dumps(content).encode())

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Frames of one type, oldest first."""
        return [frame for frame in self.frames if frame["type"] == kind]

    async def sees(self, found: Callable[["Tab"], T], *, deadline: float = 10.0) -> T:
        """Wait until `found(tab)` answers something that is not empty."""

        async def look() -> T | None:
            return found(self) or None

        answer = await eventually_async(look, deadline=deadline, every=0.01)
        assert answer is not None
        return answer

    async def sees_count(self, current: int, *, deadline: float = 10.0) -> dict[str, Any]:
        """Wait until the newest frame is a count of so many viewers."""

        async def look() -> dict[str, Any]:
            newest = self.frames[-1]
            assert (newest["type"], newest.get("current")) == ("count", current), newest
            return newest

        return await eventually_async(look, deadline=deadline, every=0.01, not_yet=(*NOT_YET, IndexError))

    async def is_closed(self, *, deadline: float = 10.0) -> tuple[int, str]:
        """Wait for the end: close code, and the first word of the reason."""
        await self.sees(lambda tab: not tab.is_open, deadline=deadline)
        return self.close_code, self.close_reason.partition(":")[0]

    async def leave(self) -> None:
        """Close as a closed tab does."""
        self.transport.send_close(WSCloseCode.OK)
        await self.transport.wait_disconnected()


async def open_at(server: WebServer, path: str, *, browser_id: str = "", origin: str = "") -> Tab:
    """Open a socket at an address of a server, as a page of that origin in the browser with that cookie."""
    _, tab = await ws_connect(
        Tab,
        f"{server.ws_url}{path}",
        extra_headers={"Origin": origin or server.base_url, "Cookie": f"other[1]=x; fullhouse_viewer={browser_id}"},
        websocket_handshake_timeout=20.0,
        read_buffer_init_size=1024,
    )
    assert isinstance(tab, Tab)
    return tab


async def open_tab(server: WebServer, ticket: Ticket) -> Tab:
    """Open a viewer's tab."""
    return await open_at(server, ticket.path, browser_id=ticket.browser_id)


@dataclass(frozen=True, slots=True)
class Watched:
    """One stream, by what Redis says of it."""

    stream_id: int

    @property
    def figures(self) -> tuple[int, int, int]:
        """Current, peak, total."""
        found = store.figures_of(redis.run_now([store.figures(self.stream_id)])[0])
        return found.current, found.peak, found.total

    @property
    def audit(self) -> Audit:
        """All that must agree."""
        return audit_read(redis.run_now([store.audit(self.stream_id)])[0])

    def dump(self) -> dict[bytes, Any]:
        """Every key of the stream with its content, less the times of heartbeats: to show that nothing was touched."""
        client: Any = redis.sync_client()
        found = client.scan_iter(f"*{{{self.stream_id}}}*")
        keys = [key for key in found if not key.startswith(b"live:announced:")]  # nothing but such times
        timed = {b"hb": lambda key: client.zrange(key, 0, -1), b"live:servers": client.hkeys}
        return {key: timed.get(key.rpartition(b":")[0], client.dump)(key) for key in keys}

    async def settles(self, *, current: int, tabs: int, deadline: float = 10.0) -> float:
        """Wait until Redis has exactly so many viewers with so many tabs, all keys agreeing; the seconds it took."""
        started = time.monotonic()

        async def look() -> bool:
            audit = self.audit
            seen = (audit.current, audit.users, audit.viewers, audit.heard, audit.recorded)
            assert seen == (current, current, current, tabs, tabs)
            assert audit.tabs in (-1, tabs)
            return True

        await eventually_async(look, deadline=deadline, every=0.02, not_yet=(*NOT_YET, RedisError))
        return time.monotonic() - started


def metric(server: WebServer, name: str) -> float:
    """One value of /metrics of a single-process server; 0 before it was first counted."""
    with urllib.request.urlopen(f"{server.base_url}/metrics", timeout=5) as response:  # noqa: S310  our own server
        for line in response.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
    return 0.0


async def off_loop(work: Callable[[], T]) -> T:
    """Run something that uses the database, or that blocks, in a thread that then closes its connections."""

    def run() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
