"""A lean Channels consumer for HTTP: routed by URLRouter, testable with Channels' communicators, cheap enough to poll.

Channels' own collects messages in a task, and a thread hop goes with each. Here a request is one call: the body is
taken as it lies there, the answer leaves in two messages, and neither a task nor a thread nor a timer is made unless
the client keeps us waiting. A body is bounded in bytes and in seconds; what is refused is counted by its reason and
answered as JSON, `{"error": "<machine word>", "detail": "<sentence>"}`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer

from .metrics import REJECTED
from .started import Started

logger = logging.getLogger(__name__)

# A client that is still sending is reset if the connection closes under it, and then never reads the answer. So what
# still comes is dropped for this long before the end.
LINGER_SECONDS = 2.0
# Lengths of answers for which the headers are kept; past it all are forgotten, which costs a moment.
LENGTHS_KEPT = 4_096

Header = tuple[bytes, bytes]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error and still no ordinary 200."""

    status: int
    headers: Sequence[Header] = ()
    body: bytes = b""


class Refusal(Exception):
    """Ends a request with an error. `closes` ends the connection as well: its body is not read to the end."""

    def __init__(
        self, status: int, error: str, detail: str, *, headers: Sequence[Header] = (), closes: bool = False
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = headers
        self.closes = closes


class Disconnected(Exception):
    """The client left while its body was awaited: nobody is there to be answered."""


class LeanHttpConsumer(AsyncConsumer):
    """One HTTP request. Subclasses override `respond`."""

    channel_layer_alias = ""  # as for sockets: no layer is bound
    kind: ClassVar[str] = "http"
    max_body_bytes: ClassVar[int] = 4 * 1024
    body_seconds: ClassVar[float] = 5.0
    headers: ClassVar[tuple[Header, ...]] = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    scope: dict[str, Any]
    _headers_by_length: ClassVar[dict[int, tuple[Header, ...]]] = {}

    def __init_subclass__(cls) -> None:
        cls._headers_by_length = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.scope = scope
        self.receive = receive
        self.base_send = send
        try:
            answer = await self.respond()
        except Refusal as refusal:
            await self._refuse(refusal)
        except Disconnected:
            return
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await self._refuse(Refusal(500, "internal_server_error", "Something went wrong on our side."))
        else:
            status = 200
            if isinstance(answer, Answer):
                status, headers, answer = answer.status, (*self.headers, *answer.headers), answer.body
            else:
                headers = self._headers_by_length.get(len(answer)) or self._headers_for(len(answer))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})

    # --- for subclasses ---------------------------------------------------------------------------------------

    async def respond(self) -> bytes | Answer:
        """The body of a 200 answer, or another kind of answer; raise Refusal for an error."""
        raise Refusal(404, "not_found", "There is nothing at this address.")

    # --- what they call ---------------------------------------------------------------------------------------

    async def body(self) -> bytes:
        """The whole body. Refuses one that is larger than `max_body_bytes` or takes longer than `body_seconds`."""
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                if int(value) > self.max_body_bytes:  # the server's parser has refused a length that is no number
                    raise self._too_large()
                break
        # Most bodies came with their headers: `receive` has them at hand and never waits.
        coroutine: Any = self.receive()
        try:
            waiting_for = coroutine.send(None)
        except StopIteration as done:
            message: Message = done.value
            first: Awaitable[Message] | None = None
        else:
            message, first = {}, Started(coroutine, waiting_for)
        if first is not None or message.get("more_body"):
            return await self._slow_body(message, first)
        return self._part(message, 0)

    async def _slow_body(self, message: Message, first: Awaitable[Message] | None) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.body_seconds):
                if first is not None:
                    message = await first
                while True:
                    parts.append(self._part(message, size))
                    size += len(parts[-1])
                    if not message.get("more_body"):
                        return b"".join(parts)
                    message = await self.receive()
        except TimeoutError:
            detail = f"The body must arrive within {self.body_seconds:g} seconds."
            raise Refusal(408, "slow_body", detail, closes=True) from None

    def _part(self, message: Message, before: int) -> bytes:
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        if before + len(part) > self.max_body_bytes:
            raise self._too_large()
        return part

    def _too_large(self) -> Refusal:
        return Refusal(413, "too_large", f"The body may have at most {self.max_body_bytes} bytes.", closes=True)

    # --- answers ----------------------------------------------------------------------------------------------

    def _headers_for(self, length: int) -> tuple[Header, ...]:
        if len(self._headers_by_length) >= LENGTHS_KEPT:
            self._headers_by_length.clear()
        headers = self._headers_by_length[length] = (*self.headers, (b"content-length", b"%d" % length))
        return headers

    async def _refuse(self, refusal: Refusal) -> None:
        REJECTED.labels(self.kind, refusal.error).inc()
        body = json.dumps({"error": refusal.error, "detail": refusal.detail}).encode()
        ends: tuple[Header, ...] = ((b"connection", b"close"),) if refusal.closes else ()
        headers = (*self.headers, *refusal.headers, (b"content-length", b"%d" % len(body)), *ends)
        await self.base_send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send_last(self.receive, self.base_send, body, lingers=refusal.closes)


async def send_last(receive: Receive, send: Send, body: bytes, *, lingers: bool) -> None:
    """Send the body of an answer; lingering, read on for a moment before the end, so that the client can read it."""
    if not lingers:
        return await send({"type": "http.response.body", "body": body})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    return await send({"type": "http.response.body", "body": b""})
