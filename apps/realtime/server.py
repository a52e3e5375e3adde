"""One server worker: uvicorn on our own socket, and a drain before it shuts down.

uvicorn's shutdown closes every WebSocket at once (1012), and all clients come back in the same instant. So on SIGTERM
or SIGINT a worker first fails its readiness check and stops accepting, lets whoever holds sockets close them in batches
(`lifecycle.on_drain`), answers the requests in flight, and only then lets uvicorn end. A second signal exits at once.
"""

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass
from types import FrameType

import uvicorn

from apps.realtime import lifecycle
from apps.realtime.http_protocol import LeanHttpProtocol
from apps.realtime.listener import handshakes_refuse
from apps.realtime.protocol import LeanWebSocketProtocol

logger = logging.getLogger(__name__)

# Longer than the 60 s for which nginx keeps an idle connection upstream, so that the proxy closes first and never sends
# a request into a connection that is closing.
KEEP_ALIVE_SECONDS = 75
MAX_FRAME_BYTES = 16 * 1024
# How long a handshake that has begun may take to end before the listening socket closes: a round trip.
HANDSHAKE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is told."""

    application: str
    ping_interval: float
    drain_seconds: float
    backlog: int


class DrainingServer(uvicorn.Server):
    """uvicorn's server, with a drain between the signal and the shutdown."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, *, drain_seconds: float) -> None:
        super().__init__(config)
        self.listener = listener
        self.drain_seconds = drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: leave in order. Second: now. Nothing is raised again at the end, so the exit code is 0."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until told to leave, then drain; uvicorn's shutdown follows."""
        address = self.listener.getsockname()
        logger.info("Worker %d serves %s:%d", os.getpid(), address[0], address[1])
        lifecycle.run_start()
        await super().main_loop()
        lifecycle.begin_drain()
        logger.info("Worker %d drains %d connection(s)", os.getpid(), len(self.server_state.connections))
        # A kept-alive connection may still ask (a load balancer's readiness check): answer, and ask it to leave.
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        await self.stop_accepting()
        await lifecycle.run_drain(seconds=self.drain_seconds)

    async def stop_accepting(self) -> None:
        """Close the listening socket without resetting those who are connecting or not yet accepted."""
        loop = asyncio.get_running_loop()
        if handshakes_refuse(self.listener):
            await asyncio.sleep(HANDSHAKE_SECONDS)
        with self.listener.dup() as last_look:
            for server in self.servers:
                server.close()
            self.listener.close()
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _peer = last_look.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(self.protocol_create, connection)

    def protocol_create(self) -> asyncio.Protocol:
        """The protocol of one connection, as uvicorn makes it."""
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def worker_run(listener: socket.socket, options: WorkerOptions) -> None:
    """Serve ``options.application`` on ``listener`` in this process until a signal ends it."""
    # Its INFO lines write one line per WebSocket, with the query string, and so with the viewer's token.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        options.application,
        loop="uvloop",
        http=LeanHttpProtocol,
        ws=LeanWebSocketProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # a window of 10-30 KiB a connection, for frames of 80 bytes
        ws_ping_interval=options.ping_interval,
        ws_ping_timeout=options.ping_interval,
        lifespan="off",
        log_config=None,  # Django's LOGGING stands
        access_log=False,
        server_header=False,
        backlog=options.backlog,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(options.drain_seconds)),
        # limit_concurrency stays off: it counts WebSockets too, and refuses only plain requests.
    )
    DrainingServer(config, listener, drain_seconds=options.drain_seconds).run(sockets=[listener])
