"""The ASGI `send` of a peer, without a socket: it reads, stops reading, reads on, or has left."""

import asyncio
from typing import Any


class Peer:
    """Called as a server's `send` is. `got` is what the peer was given, in order."""

    def __init__(self, *, reads: bool = True) -> None:
        self.got: list[dict[str, Any]] = []
        self.gone: Exception | None = None
        self.calls = 0
        self._reads = asyncio.Event()
        if reads:
            self._reads.set()

    async def __call__(self, message: dict[str, Any]) -> None:
        """Take a message as soon as the peer reads."""
        self.calls += 1
        if self.gone is not None:
            raise self.gone
        while not self._reads.is_set():
            await self._reads.wait()
        if self.gone is not None:
            raise self.gone
        self.got.append(message)

    def stop_reading(self) -> None:
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    def leave(self, error: Exception) -> None:
        """Be gone: whoever sends is told so, as servers do."""
        self.gone = error
        self._reads.set()

    @property
    def texts(self) -> list[str]:
        """What the frames said."""
        return [message["text"] for message in self.got]


def frame(text: object) -> dict[str, Any]:
    """An ASGI message of one frame."""
    return {"type": "websocket.send", "text": str(text)}


async def turns(count: int = 5) -> None:
    """Let everything that can go on do so for some turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)
