"""One request and its answer, as uvicorn has it, with the answer leaving in one write.

uvicorn writes the head of an answer and its body apart: two system calls and two packets, which is a third of what a
small answer costs. The ASGI specification lets a server wait for the first part of the body (and asks it to), so the
head is held back until then. docs/decisions has the figures.
"""

import functools
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

# What changes the framing: uvicorn's own code sees to it.
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
# Longer values are seldom sent twice, and may be somebody's cookie.
LONGEST_KEPT = 64


def _line(name: bytes, value: bytes) -> bytes:
    if HEADER_RE.search(name):
        raise RuntimeError("Invalid HTTP header name.")
    if HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header value.")
    return b"%b: %b\r\n" % (name, value)


_kept_line = functools.lru_cache(maxsize=4096)(_line)


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
        length = b""
        parts = [STATUS_LINE[start["status"]]]
        for name, value in (*self.default_headers, *start.get("headers", ())):
            lower = name.lower()
            if lower in _FRAMING:
                return None
            if lower == b"content-length":
                length = value
            parts.append(_kept_line(lower, value) if len(value) <= LONGEST_KEPT else _line(lower, value))
        if length != b"%d" % len(body):
            return None
        parts.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        parts.append(body)
        return b"".join(parts)
