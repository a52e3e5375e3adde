"""Serves an ASGI application of a test on the lean protocols, in the test's own event loop, over a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from apps.realtime.http_protocol import LeanHttpProtocol
from apps.realtime.protocol import LeanWebSocketProtocol
from apps.realtime.server import MAX_FRAME_BYTES
from tests.realtime.raw_websocket import RawWebSocket

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(slots=True)
class Served:
    """The running server, and the clients that it made."""

    port: int
    state: ServerState
    clients: list[RawWebSocket] = field(default_factory=list)

    async def connect(self, *, limit: int = 2**20) -> RawWebSocket:
        """A client, closed when the block ends."""
        self.clients.append(await RawWebSocket.connect(self.port, limit=limit))
        return self.clients[-1]

    @property
    def sockets(self) -> list[LeanWebSocketProtocol]:
        """The WebSockets that the server holds."""
        return [one for one in self.state.connections if isinstance(one, LeanWebSocketProtocol)]


@contextlib.asynccontextmanager
async def serving(application: Application, *, ping_interval: float = 20.0) -> AsyncIterator[Served]:
    """Serve until the block ends; connections still open are cut then."""
    config = uvicorn.Config(
        application,
        http=LeanHttpProtocol,
        ws=LeanWebSocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=ping_interval,
        lifespan="off",
        log_config=None,
        access_log=False,  # as `serve` does
        interface="asgi3",
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: LeanHttpProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    served = Served(server.sockets[0].getsockname()[1], state)
    try:
        yield served
    finally:
        for client in served.clients:
            client.abort()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=5)


class Echo:
    """Accepts, keeps every connection's scope and send, and sends back what comes."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.sends: list[Any] = []
        self.received: list[Any] = []
        self.ended = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive()) == {"type": "websocket.connect"}
        self.scopes.append(scope)
        await send({"type": "websocket.accept"})
        self.sends.append(send)
        self.opened.set()
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                self.received.append(message)
                await send({**message, "type": "websocket.send"})
        finally:
            self.received.append(message)
            self.ended.set()
