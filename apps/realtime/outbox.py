"""One socket's way out: latest wins, never more than one message waiting.

A push to a socket that reads is done at once, inside the caller's step: no task, no queue. A socket that does not read
keeps the server waiting in its `send`; from then on only the newest message is kept for it, and if it has not drained
within `DRAIN_SECONDS` it is given up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .metrics import SLOW_SOCKETS_CLOSED
from .started import Started

# A phone between two cells needs some seconds; one that reads nothing for this long is gone or hostile.
DRAIN_SECONDS = 15.0

Message = dict[str, Any]


class Outbox:
    """Sends ASGI messages to one socket and bounds what a slow reader may cost: one message and one task."""

    __slots__ = ("_abandon", "_drainer", "_pending", "_send")

    def __init__(self, send: Callable[[Any], Awaitable[None]], abandon: Callable[[], None]) -> None:
        """`send` is the ASGI send of the socket; `abandon` is called once if the socket never drains."""
        self._send = send
        self._abandon = abandon
        self._pending: Message | None = None
        self._drainer: asyncio.Task[None] | None = None

    def push(self, message: Message) -> bool:
        """Send now if the socket takes it, else keep only the newest. True if it was handed to the server now."""
        if self._drainer is not None:
            # A close is the last word: a count that was under way must not take its place.
            if self._pending is None or self._pending["type"] != "websocket.close":
                self._pending = message
            return False
        coroutine: Any = self._send(message)
        try:
            waiting_for = coroutine.send(None)
        except StopIteration:
            return True
        except (OSError, RuntimeError):
            # The peer left or the close is under way: the consumer hears of it through its own receive.
            return False
        self._drainer = asyncio.get_running_loop().create_task(self._drain(Started(coroutine, waiting_for)))
        return False

    async def _drain(self, first: Started) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await first
                while self._pending is not None:
                    message, self._pending = self._pending, None
                    await self._send(message)
        except TimeoutError:
            # The finished task stays in place, so that nothing more is sent to this peer and it is given up only once.
            self._pending = None
            SLOW_SOCKETS_CLOSED.inc()
            self._abandon()
            return
        except (OSError, RuntimeError):
            self._pending = None  # as in push: the consumer hears of it
        self._drainer = None

    @property
    def is_slow(self) -> bool:
        """Whether an earlier message is still waiting for the peer to read."""
        return self._drainer is not None
