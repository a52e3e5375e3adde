"""Lean Channels consumers: routed by URLRouter and testable with Channels' communicators, without a cost per message.

Channels' own dispatch awaits a thread hop for database connections and makes a task per message. Nothing here touches a
database, so a message is one dictionary look-up and one method call. Measured: ten times the messages per CPU-second
(docs/decisions/0002-lean-consumers.md).
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from . import lifecycle
from .clock import epoch_ms
from .close_codes import (
    BAD_FRAME,
    NOT_FOUND,
    SERVICE_RESTART,
    TOO_MANY_FRAMES,
    TOO_SLOW,
    TRY_AGAIN_LATER,
    UNSUPPORTED_DATA,
)
from .metrics import REJECTED, SOCKETS
from .outbox import Outbox

# A viewer sends nothing but a rare ping: one frame a second, ten at once.
FRAMES_PER_SECOND = 1.0
FRAME_BURST = 10.0

_open_sockets = 0


def open_sockets() -> int:
    """Accepted sockets of this process, of every kind."""
    return _open_sockets


class LeanWebsocketConsumer(AsyncConsumer):
    """A WebSocket that speaks JSON objects with a `type`; subclasses override opened, received and closed.

    Refuses, each with a close code and a counted reason: binary frames, frames that are not a JSON object with a known
    type, more frames than a person makes, and sockets beyond what this process was told to hold.
    """

    channel_layer_alias = ""  # no layer is bound per connection: control events reach the process, not the socket
    kind: ClassVar[str] = "websocket"
    frame_types: ClassVar[frozenset[str]] = frozenset({"ping"})
    scope: dict[str, Any]
    outbox: Outbox

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Run one connection from connect to disconnect."""
        self.scope = scope
        self.base_send = send
        self._accepted = False
        self._closing = False
        self._frame_credit = FRAME_BURST
        self._credit_at = 0.0
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            self._forget()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Hand a message to its method; no task, no thread."""
        kind = message["type"]
        if kind == "websocket.receive":
            if not self._closing:
                await self._frame(message)
        elif kind == "websocket.connect":
            await self._connect()
        elif kind == "websocket.disconnect":
            raise StopConsumer

    # --- for subclasses ---------------------------------------------------------------------------------------

    def connecting(self) -> None:
        """Take what is needed of the handshake's headers: an accepted socket may have forgotten them."""

    async def opened(self) -> None:
        """The socket is accepted; close it here if it may not stay."""

    async def received(self, frame: dict[str, Any]) -> None:
        """A well-formed frame of a known type came; a ping is answered before this is reached."""

    def closed(self) -> None:
        """The socket is gone. Called once for every accepted socket."""

    # --- what they call ---------------------------------------------------------------------------------------

    def query(self, name: str) -> str:
        """A parameter of the address, the first of several; "" if it is not there."""
        values = parse_qs(self.scope["query_string"].decode("latin-1"), max_num_fields=8).get(name, [""])
        return values[0]

    async def send_json(self, content: dict[str, Any]) -> None:
        """Send one frame to this socket alone."""
        await self.base_send({"type": "websocket.send", "text": json.dumps(content, separators=(",", ":"))})

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and a short reason; twice is once."""
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(OSError, RuntimeError):  # the peer was faster
            await self.base_send({"type": "websocket.close", "code": code, "reason": reason})

    def dismiss(self, code: int, reason: str) -> None:
        """Close without waiting for the peer; one that does not read is cut off by its outbox."""
        if not self._closing:
            self._closing = True
            self.outbox.push({"type": "websocket.close", "code": code, "reason": reason})

    async def reject(self, code: int, reason: str, detail: str) -> None:
        """Close because of what the peer sent: counted by reason, said in words."""
        REJECTED.labels(self.kind, reason).inc()
        await self.close(code, f"{reason}: {detail}")

    # --- inside -----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self.connecting()
        # Accept first: a browser is shown no code or reason of a refused handshake.
        await self.base_send({"type": "websocket.accept"})
        self._accepted = True
        global _open_sockets
        _open_sockets += 1
        SOCKETS.labels(self.kind).inc()
        self.outbox = Outbox(self.base_send, self._abandon)
        if lifecycle.is_draining():
            await self.close(SERVICE_RESTART, "draining: come back in a moment")
        elif _open_sockets > settings.REALTIME_MAX_SOCKETS:
            await self.reject(TRY_AGAIN_LATER, "full", "this server holds all the sockets it may")
        else:
            await self.opened()

    async def _frame(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        self._frame_credit = min(FRAME_BURST, self._frame_credit + (now - self._credit_at) * FRAMES_PER_SECOND)
        self._credit_at = now
        if self._frame_credit < 1.0:
            return await self.reject(TOO_MANY_FRAMES, "too_many_frames", "send at most one a second")
        self._frame_credit -= 1.0
        text = message.get("text")
        if text is None:
            return await self.reject(UNSUPPORTED_DATA, "binary", "frames are JSON text")
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            return await self.reject(BAD_FRAME, "not_json", "the frame is not JSON")
        kind = frame.get("type") if isinstance(frame, dict) else None
        if not isinstance(kind, str) or kind not in self.frame_types:  # a list or an object cannot be looked up
            return await self.reject(BAD_FRAME, "unknown_type", "the frame has no known type")
        if kind == "ping":
            echo = frame.get("id")
            answer = echo if isinstance(echo, (int, str)) and len(str(echo)) <= 32 else None
            return await self.send_json({"type": "pong", "id": answer, "at": epoch_ms()})
        await self.received(frame)
        return None

    def _abandon(self) -> None:
        """The peer never reads: say so in the close, and cut the line if the server lets us."""
        abort = self.scope.get("extensions", {}).get("fullhouse.abort")
        if abort is not None:
            abort["abort"]()
        else:
            asyncio.get_running_loop().create_task(self.close(TOO_SLOW, "too_slow: messages were not read"))

    def _forget(self) -> None:
        if self._accepted:
            self._accepted = False
            global _open_sockets
            _open_sockets -= 1
            SOCKETS.labels(self.kind).dec()
            self.closed()


class UnknownAddressConsumer(LeanWebsocketConsumer):
    """Closes sockets opened at an address that nothing answers."""

    kind = "unknown"

    async def opened(self) -> None:
        """Say that there is nothing here."""
        await self.reject(NOT_FOUND, "unknown_address", "no socket is served at this address")
