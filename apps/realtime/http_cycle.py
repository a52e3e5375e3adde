"""One request and its answer, as uvicorn has it, with the answer leaving in one write.

uvicorn writes the head of an answer and its body apart: two system calls and two packets, which is a third of what a
small answer costs. The ASGI specification lets a server wait for the first part of the body (and asks it to), so the
head is held back until then. docs/decisions has the figures.
"""

import functools
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

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


class LeanCycle(RequestResponseCycle):
    """uvicorn's cycle; an answer with a Content-Length whose body comes in one message is written at once."""

    flow: FlowControl
    _held: Any = None

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
        self.transport.write(whole)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
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
