"""A limit on request bodies before anything keeps them.

Django's ASGI handler writes a whole body to a temporary file before any of its own checks, so a client could fill the
disk. Here a body is counted as it arrives, and refused with 413 at its announcement or at the byte that is too many.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .http_consumer import send_last
from .metrics import REJECTED

MAX_BODY_BYTES = 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    """Thrown through the application, which is still collecting the body, to stop it."""


class BodyLimit:
    """Wraps an ASGI application that reads a request to its end before it answers, as Django does."""

    def __init__(self, application: Application, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if _announced(scope) > self.max_bytes:
            return await self._refuse(receive, send)
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise _TooLarge
            return message

        try:
            return await self.application(scope, counting, send)
        except _TooLarge:
            return await self._refuse(receive, send)

    async def _refuse(self, receive: Receive, send: Send) -> None:
        REJECTED.labels("http", "too_large").inc()
        detail = f"The body may have at most {self.max_bytes} bytes."
        body = json.dumps({"error": "too_large", "detail": detail}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send_last(receive, send, body, lingers=True)


def _announced(scope: Any) -> int:
    # The server's parser has refused a length that is no number.
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
