"""The audience of this process: edge, board, pulse and control, started with the first socket, drained at the end."""

import asyncio
import contextlib
import logging
import random
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from redis.exceptions import RedisError

from apps.realtime import lifecycle
from apps.realtime.close_codes import SERVICE_RESTART

from . import control
from .board import Board
from .directory import DirectoryBoard, DirectorySeat
from .edge import Edge, Seat
from .metrics import LOOP_FAILURES
from .pulse import Pulse
from .removals import Removals

# Sockets closed in one go while draining, and the window in which a tab comes back: neither the loop here nor the
# servers that take them over see all of them at once.
DRAIN_BATCH = 250
DRAIN_PAUSE_S = 0.05
RECONNECT_WITHIN_MS = 5_000
LOOP_RETRY_S = 1.0

logger = logging.getLogger(__name__)


async def _keep_running(name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop for the life of the process. What it did not foresee is logged and counted, and it starts again:
    without heartbeats all that this process holds would be taken for dead within a minute."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("the %s loop failed and starts again", name)
            LOOP_FAILURES.labels(name).inc()
            await asyncio.sleep(LOOP_RETRY_S)


class AudienceRuntime:
    """Everything that runs beside the sockets on one event loop."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.board = Board(self.edge)
        self.removals = Removals(self.edge)
        self.pulse = Pulse(self.edge, self.removals)
        self.directory = DirectoryBoard()
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        """Start the loops; they run until `stop`."""
        loop = asyncio.get_running_loop()
        self._pulse_task = loop.create_task(_keep_running("pulse", self.pulse.run))
        others = {
            "board": self.board.run,
            "directory": self.directory.run,
            "control": lambda: control.listen(self._handlers()),
        }
        self._tasks = [self._pulse_task, *(loop.create_task(_keep_running(*each)) for each in others.items())]
        lifecycle.on_drain(self.drain)

    def _handlers(self) -> dict[str, Any]:
        return {
            "stream.ended": lambda event: self.edge.end_soon(event["stream"]),
            "stream.announce": lambda event: self._announce_soon(event["stream"]),
            **dict.fromkeys(("viewer.banned", "viewer.unbanned", "viewer.removed"), self.removals.heard),
        }

    def _announce_soon(self, stream_id: int) -> None:
        if (stream := self.edge.streams.get(stream_id)) is not None:
            stream.announce_now = True

    async def drain(self, deadline: float) -> None:
        """Ask every tab to come back elsewhere and close its socket, in batches until the deadline.

        Sessions are not taken out of the count: they have a grace in which the tab comes back with the same session.
        """
        self.edge.is_leaving = True
        loop = asyncio.get_running_loop()
        waiting: list[Seat | DirectorySeat] = [*self.edge.seats(), *self.directory.seats()]
        random.shuffle(waiting)  # so that no stream loses all its sockets in one moment
        for start in range(0, len(waiting), DRAIN_BATCH):
            for seat in waiting[start : start + DRAIN_BATCH]:
                seat.outbox.push(seat.reconnect_message(RECONNECT_WITHIN_MS))
                seat.dismiss(SERVICE_RESTART, "draining: come back in a moment")
            if loop.time() < deadline - 1.0:
                await asyncio.sleep(DRAIN_PAUSE_S)
        # Thousands of peers answer the close, each in its own time: look now and then, with a deadline.
        while self.edge.sessions_held() and loop.time() < deadline - 0.5:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_PAUSE_S)
        self._pulse_task.cancel()  # or it would register this process again
        with contextlib.suppress(RedisError, OSError):
            # Redis away: the sessions wait out their silence instead of their grace, and the register its own.
            await self.edge.flush()
            await self.pulse.goodbye()

    async def stop(self) -> None:
        """Stop the loops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


_runtimes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AudienceRuntime] = weakref.WeakKeyDictionary()


def audience_runtime() -> AudienceRuntime:
    """The running event loop's audience, started at the first call."""
    loop = asyncio.get_running_loop()
    runtime = _runtimes.get(loop)
    if runtime is None:
        runtime = _runtimes[loop] = AudienceRuntime()
        runtime.start()
    return runtime


async def audience_stop() -> None:
    """Stop this event loop's audience; the next call of `audience_runtime` makes a new one."""
    runtime = _runtimes.pop(asyncio.get_running_loop(), None)
    if runtime is not None:
        await runtime.stop()
