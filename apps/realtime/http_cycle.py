"""One request and its answer, as uvicorn has it, with the answer leaving in one write.

uvicorn writes the head of an answer and its body apart: two system calls and two packets. The ASGI specification asks a
server to wait for the first part of the body, so the head is held back until then.
docs/decisions/0013-a-poll-in-fifty-microseconds.md has the figures.
"""

import asyncio
import functools
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

Application = Callable[[Any, Any, Any], Awaitable[Any]]
Headers = Iterable[tuple[bytes, bytes]]

# What changes the framing: uvicorn's own code sees to it.
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
HEADS_KEPT = 4_096


def _head(headers: Headers) -> tuple[bytes, bytes] | None:
    """The headers as they are sent, and the Content-Length among them (b"" if there is none); None if they are not
    ordinary. RuntimeError, as in uvicorn, for one that would end early."""
    length = b""
    lines = []
    for given, value in headers:
        name = given.lower()
        if name in _FRAMING:
            return None
        if HEADER_RE.search(name):
            raise RuntimeError("Invalid HTTP header name.")
        if HEADER_VALUE_RE.search(value):
            raise RuntimeError("Invalid HTTP header value.")
        if name == b"content-length":
            length = value
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines), length


# Whoever gives headers as a tuple says that they are the same for many, and nobody's secret.
_kept_head = functools.lru_cache(maxsize=HEADS_KEPT)(_head)


class Outgoing:
    """Answers that were made in one turn of the event loop, written one after the other at its end.

    A write runs a good part of the kernel, after which the interpreter's own code has to come back into the caches: a
    crowd's answers made in one go and written in one go cost a quarter less.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._answers: list[tuple[asyncio.Transport, bytes, bool]] = []

    def add(self, transport: asyncio.Transport, answer: bytes, closes: bool) -> None:
        """Write this soon, and close the connection then if it `closes`."""
        if not self._answers:
            self._loop.call_soon(self.flush)
        self._answers.append((transport, answer, closes))

    def guarded(self, application: Application) -> Application:
        """The application, with its answers written before a fault that comes after them ends the connection."""

        async def run(scope: Any, receive: Any, send: Any) -> Any:
            try:
                result = await application(scope, receive, send)
            except BaseException:
                self.flush()
                raise
            if result is not None:  # which uvicorn takes for a fault
                self.flush()
            return result

        return run

    def flush(self) -> None:
        """Write all of it now."""
        answers, self._answers = self._answers, []
        for transport, answer, closes in answers:
            if transport.is_closing():  # the client left meanwhile
                continue
            transport.write(answer)
            if closes:
                transport.close()


_outgoing: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outgoing] = weakref.WeakKeyDictionary()


def outgoing_of(loop: asyncio.AbstractEventLoop) -> Outgoing:
    """The one of this event loop."""
    found = _outgoing.get(loop)
    if found is None:
        found = _outgoing[loop] = Outgoing(loop)
    return found


class LeanCycle(RequestResponseCycle):
    """uvicorn's cycle; an answer with a Content-Length whose body comes in one message is written at once."""

    flow: FlowControl
    outgoing: Outgoing
    _held: Any = None

    @classmethod
    def take(cls, cycle: RequestResponseCycle, outgoing: Outgoing) -> None:
        """Make this cycle, whose task has not begun, a lean one."""
        cycle.__class__ = cls
        cast("LeanCycle", cycle).outgoing = outgoing

    async def send(self, message: Any) -> None:
        """Hold the head back until the body begins."""
        held = self._held
        if held is None:
            if self.response_started or message["type"] != "http.response.start":
                await super().send(message)
            else:
                self._held = message
            return
        self._held = None
        whole = self._whole(held, message)
        if whole is None:
            await super().send(held)
            await super().send(message)
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.outgoing.add(self.transport, whole, not self.keep_alive)
        self.message_event.set()
        self.on_response()

    async def send_500_response(self) -> None:
        """The application failed, perhaps after a head that nobody has seen."""
        self._held = None
        await super().send_500_response()

    def _whole(self, start: Any, message: Any) -> bytes | None:
        """The answer's bytes; None if it is no ordinary one, and uvicorn's own code must look at it."""
        if (
            message["type"] != "http.response.body"
            or message.get("more_body")
            or self.flow.write_paused
            or self.disconnected
            or self.access_log
            or self.scope["method"] == "HEAD"
        ):
            return None
        body = message.get("body", b"")
        headers = start.get("headers", ())
        ours = _head(self.default_headers)
        theirs = _kept_head(headers) if type(headers) is tuple else _head(headers)
        if ours is None or theirs is None or theirs[1] != b"%d" % len(body):
            return None
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return b"".join((STATUS_LINE[start["status"]], ours[0], theirs[0], end, body))
