"""One viewing session: one real WebSocket, held from its start to its end, that comes back by itself when it is lost.

It behaves as the browser page does: it sends nothing, waits for the first count, and after a loss or a drain returns
after a random delay (full jitter), so that a crowd does not come back in step.
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 20.0
HANDSHAKE_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
SERVICE_RESTART = 1012
STREAM_ENDED = 4410
EXPECTED_CODES = frozenset({SERVICE_RESTART, STREAM_ENDED})
# The server said what is wrong with this session itself; coming back would only repeat it.
FINAL_CODES = frozenset({4400, 4403, 4404, 4409})


class OpeningPace:
    """At most so many sockets are opened a second, evenly: a token every 1 / rate seconds, none saved up."""

    def __init__(self, rate: float) -> None:
        self._step = 1.0 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for this caller's turn."""
        now = asyncio.get_running_loop().time()
        mine = max(self._next, now)
        self._next = mine + self._step
        if mine > now:
            await asyncio.sleep(mine - now)


@dataclass(slots=True)
class Tally:
    """What happened at the sockets: the replay reports all of it."""

    opened: int = 0
    reconnected: int = 0
    frames: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class House:
    """What all viewers of a replay share."""

    url: str  # http://host:port
    pace: OpeningPace
    tally: Tally
    chance: random.Random
    token_make: Callable[[int, str, str, str], str]  # stream, viewer, session, browser -> token
    run: str  # makes this replay's devices and sessions its own


class _Frames(WSListener):
    """Receives a viewer's frames; picows calls it from C, so it does as little as it can."""

    def __init__(self, viewer: "Viewer") -> None:
        self.viewer = viewer

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.viewer.message_received(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self.viewer.close_code = frame.get_close_code().value
            self.viewer.close_reason = frame.get_close_reason() or ""
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()


class Viewer:
    """A device's session on a stream. `present` is true while the server has confirmed it with a count."""

    def __init__(
        self, house: House, *, stream_id: int, device: str, number: int, changed: Callable[["Viewer"], None]
    ) -> None:
        self.stream_id = stream_id
        self.leaving = False
        self.present = False
        self.gone = False
        self.close_code = 0
        self.close_reason = ""
        self._house = house
        self._changed = changed
        self._transport: WSTransport | None = None
        self._within_ms = 0
        browser = hashlib.blake2b(f"{house.run}:{device}".encode(), digest_size=16).hexdigest()
        session = hashlib.blake2b(f"{house.run}#{number}".encode(), digest_size=8).hexdigest()
        self._identity = (f"a{browser}", session, browser)

    @property
    def settled(self) -> bool:
        """Whether the socket is as it should be: there with a count, or gone for good."""
        return self.gone or (self.present and not self.leaving)

    def leave(self) -> None:
        """Close the socket, as a closed tab does. One that is still connecting closes when it is through."""
        if self.leaving:
            return
        self.leaving = True
        self._changed(self)
        if self._transport is not None:
            self._close(self._transport)

    def dismiss(self) -> None:
        """The broadcast ends: the server is the one to close this socket, and it must not come back."""
        self.leaving = True
        self._changed(self)

    def message_received(self, payload: bytes) -> None:
        """A text frame of the server."""
        self._house.tally.frames += 1
        if self.present and not payload.startswith(b'{"type":"reconnect"'):
            return  # a replay holds thousands of sockets: later counts are for the page, not for us
        message = json.loads(payload)
        if message["type"] == "count":
            self.present = True
            self._changed(self)
        elif message["type"] == "reconnect":
            self._within_ms = int(message["within_ms"])

    @staticmethod
    def _close(transport: WSTransport) -> None:
        transport.send_close(WSCloseCode.OK)
        # A server that never answers the close frame must not hold the replay up.
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)

    async def watch(self) -> None:
        """Connect, stay, come back when lost; returns when the session is over."""
        try:
            failures = 0
            while True:
                was_counted = await self._visit()
                if self.leaving or self.close_code == STREAM_ENDED:
                    return
                if self.close_code in FINAL_CODES:
                    self._house.tally.errors[f"closed with {self.close_code} ({self.close_reason})"] += 1
                    return
                failures = 0 if was_counted else failures + 1
                ceiling = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**failures)
                if self.close_code == SERVICE_RESTART and self._within_ms:
                    ceiling = self._within_ms / 1000
                await asyncio.sleep(self._house.chance.uniform(0, ceiling))
                self._house.tally.reconnected += 1
        finally:
            self.gone, self.present = True, False
            self._changed(self)

    async def _visit(self) -> bool:
        """One connection from handshake to its end. Whether the server had counted it."""
        await self._house.pace.turn()
        self.close_code = self._within_ms = 0
        viewer_id, session_id, browser_id = self._identity
        token = self._house.token_make(self.stream_id, viewer_id, session_id, browser_id)
        try:
            self._transport, _ = await ws_connect(
                lambda: _Frames(self),
                f"{self._house.url.replace('http', 'ws', 1)}/ws/streams/{self.stream_id}/?token={token}",
                extra_headers={"Origin": self._house.url, "Cookie": f"fullhouse_viewer={browser_id}"},
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                read_buffer_init_size=1024,
            )
        except (OSError, WSError, TimeoutError) as error:
            self._house.tally.errors[f"cannot connect: {type(error).__name__}"] += 1
            return False
        self._house.tally.opened += 1
        try:
            if self.leaving:
                self._close(self._transport)
            await self._transport.wait_disconnected()
            # A drain is the server's good manners, an end is the trace's own: neither is an error.
            if not self.leaving and self.close_code not in EXPECTED_CODES | FINAL_CODES:
                self._house.tally.errors[f"lost with {self.close_code or 'no close frame'}"] += 1
            return self.present
        finally:
            self._transport.disconnect(graceful=False)
            self._transport = None
            self.present = False
            self._changed(self)
