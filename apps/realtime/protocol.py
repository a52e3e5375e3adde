"""uvicorn's WebSocket protocol, made lean for many idle sockets that are all sent the same few messages.

What uvicorn promises stays as it is, with one exception: once a WebSocket is accepted, ``scope["headers"]`` is empty.
An application reads what it needs from them before it accepts. docs/decisions/0003-lean-protocol.md has the figures.
"""

import asyncio
import random
import secrets
from types import GeneratorType
from typing import Any, ClassVar, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, Protocol
from websockets.streams import StreamReader

from .handshake import Header, accept_response
from .lean_parts import Inbox, LeanServerProtocol

ABORT_EXTENSION = "fullhouse.abort"

# A reader this far behind is paused: 64 KiB, the default, would let a stalled one hold 600 old counts.
WRITE_HIGH_WATER = 16 * 1024

# One payload for the process: it tells our pings' answers from pongs that a client sends of its own accord.
_PING_PAYLOAD = secrets.token_bytes(4)
_PING_FRAME = Frame(Opcode.PING, _PING_PAYLOAD).serialize(mask=False)
_PONG_HEAD = bytes([0x80 | Opcode.PONG, 0x80 | len(_PING_PAYLOAD)])
_PONG_LENGTH = len(_PONG_HEAD) + 4 + len(_PING_PAYLOAD)
# Where websockets' parser rests between two frames.
_AT_EOF = StreamReader.at_eof.__code__

# Never cleared, so it can stand for every connection that is not paused at the moment.
_WRITABLE = asyncio.Event()
_WRITABLE.set()


class LeanWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with less memory, shared frames, and a way to cut off a peer that never reads.

    - The base class's attributes are slots, its queue and event lean, and the handshake is forgotten once it is done.
    - The frame of the last text sent is kept for the whole process: one broadcast encodes once for all its sockets.
    - ``scope["extensions"]["fullhouse.abort"]["abort"]()`` ends the connection now. Closing a transport waits until its
      buffer is written, which never happens to a peer that does not read; for the same reason a close that is not
      answered and a ping that is not answered end in an abort.
    """

    __slots__ = (
        "accept_key",
        "app",
        "app_state",
        "asgi_version",
        "client",
        "close_sent",
        "close_timeout",
        "close_timer",
        "config",
        "conn",
        "connections",
        "curr_msg_data_type",
        "default_headers",
        "disconnected",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "initial_response",
        "last_ping_rtt",
        "logger",
        "loop",
        "pending_ping_payload",
        "ping_interval",
        "ping_sent_at",
        "ping_timeout",
        "ping_timer",
        "pong_timer",
        "queue",
        "read_paused",
        "request",
        "response",
        "root_path",
        "scheme",
        "scope",
        "server",
        "tasks",
        "transport",
        "writable",
    )

    # A str never changes, so the same object has the same frame. The reference keeps its identity from being reused.
    _last_text: ClassVar[str] = ""
    _last_frame: ClassVar[bytes] = Frame(Opcode.TEXT, b"").serialize(mask=False)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.accept_key: bytes | None = None
        self.queue = cast("asyncio.Queue[Any]", Inbox())
        self.writable = _WRITABLE
        if not config.ws_per_message_deflate:
            self.conn = LeanServerProtocol(max_size=config.ws_max_size, logger=self.logger)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what is buffered for a slow reader."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)

    def handle_connect(self, event: Request) -> None:
        """Start frames on a fresh parser: the one that read the request keeps it alive for the connection's life."""
        super().handle_connect(event)
        if not self.close_sent and not self.conn.reader.buffer:
            self.conn.parser = Protocol.parse(self.conn)
            next(self.conn.parser)

    def handshake_read(self, url: bytes, headers: list[Header], accept_key: bytes) -> None:
        """Start the application on a handshake that the HTTP parser has read and `handshake` found ordinary."""
        raw_path, _, query_string = url.partition(b"?")
        self.accept_key = accept_key
        self.handshake_initiated = True
        self.conn.parser = Protocol.parse(self.conn)
        next(self.conn.parser)
        self.scope = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": headers,
            "subprotocols": [],
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    def pause_writing(self) -> None:
        """This connection gets an event of its own for as long as it is paused."""
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Wake who waits, and go back to the shared event."""
        self.writable.set()
        self.writable = _WRITABLE

    def abort(self) -> None:
        """End the connection now, whatever is still unsent."""
        self.stop_keepalive()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read an answer to our ping without the parser; everything else goes its usual way."""
        if len(data) == _PONG_LENGTH and data[:2] == _PONG_HEAD and self._between_frames():
            mask = data[2:6] * 2
            if bytes(byte ^ key for byte, key in zip(data[6:], mask, strict=False)) == _PING_PAYLOAD:
                self.pending_ping_payload = None
            return
        super().data_received(data)

    def _between_frames(self) -> bool:
        """Whether the parser waits for a frame's first byte, so that ``data`` is not the middle of one."""
        parser = cast("GeneratorType[None, None, None]", self.conn.parser)
        return getattr(parser.gi_yieldfrom, "gi_code", None) is _AT_EOF and self.conn.state is OPEN

    def start_keepalive(self) -> None:
        """Ping first at a random moment of the interval, so that sockets opened together are not pinged together."""
        if self.ping_interval:
            self.ping_timer = self.loop.call_later(self.ping_interval * random.random(), self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        """Ping, unless the ping before is still unanswered: one timer an interval, none for the answer."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        if self.pending_ping_payload is not None:
            self.keepalive_timeout()
            return
        self.pending_ping_payload = _PING_PAYLOAD
        self.transport.write(_PING_FRAME)
        self.ping_timer = self.loop.call_later(cast("float", self.ping_interval), self.send_keepalive_ping)

    def handle_pong(self, event: Frame) -> None:
        """An answer that came together with other data, and so through the parser."""
        if bytes(event.data) == _PING_PAYLOAD:
            self.pending_ping_payload = None

    def keepalive_timeout(self) -> None:
        """Close politely if the close can be written; otherwise it would wait for ever."""
        if self.transport.get_write_buffer_size():
            self.abort()
        else:
            super().keepalive_timeout()

    async def run_asgi(self) -> None:
        """Offer the abort, then run the application; what it left unsent may not hold the connection for ever."""
        self.scope["extensions"][ABORT_EXTENSION] = {"abort": self.abort}
        await super().run_asgi()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.close_timeout, self.transport.abort)

    async def send(self, message: Any) -> None:
        """Send one ASGI message; a text that was just sent to another socket goes out as the same bytes."""
        if message["type"] == "websocket.send" and (text := message.get("text")) is not None:
            if self.writable is not _WRITABLE:
                await self.writable.wait()
            if (
                self.handshake_complete
                and self.conn._state is OPEN
                and not self.close_sent
                and not self.disconnected
                and self.initial_response is None
                and not self.conn.extensions
                and message.get("bytes") is None
            ):
                cls = LeanWebSocketProtocol
                if text is not cls._last_text:
                    cls._last_frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
                    cls._last_text = text
                self.transport.write(cls._last_frame)
                return
        if (
            self.accept_key is not None
            and message["type"] == "websocket.accept"
            and not self.handshake_complete
            and not message.get("subprotocol")
        ):
            self._accept(message)
            return
        was_accepted = self.handshake_complete
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.abort)
        elif not was_accepted and self.handshake_complete and not self.close_sent:
            self._forget_handshake()

    def _accept(self, message: Any) -> None:
        if self.disconnected:
            raise ClientDisconnected
        if not self.transport.is_closing():
            headers = [*self.default_headers, *message.get("headers", ())]
            self.transport.write(accept_response(cast("bytes", self.accept_key), headers))
            self.handshake_complete = True
            self.conn._state = OPEN
            self.start_keepalive()
            self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Drop what only the handshake needed: half of an idle connection's memory."""
        self.scope["headers"].clear()  # type: ignore[attr-defined]
        if self.accept_key is None:
            del self.request, self.response
        self.accept_key = None
        del self.scope
