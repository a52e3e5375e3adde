"""The audience of this process: edge, board, pulse and control, started with the first socket, drained at the end."""

import asyncio
import contextlib
import random
import weakref
from functools import partial
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

# How often it is looked whether all peers have answered the close.
LEFT_LOOK_S = 0.05

_keep_running = partial(lifecycle.keep_running, failures=LOOP_FAILURES)


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
        # Without heartbeats all that this process holds would be taken for dead within a minute.
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
        waiting: list[Seat | DirectorySeat] = [*self.edge.seats(), *self.directory.seats()]
        random.shuffle(waiting)  # so that no stream loses all its sockets in one moment
        await lifecycle.dismiss_in_batches(waiting, _send_away, deadline=deadline)
        loop = asyncio.get_running_loop()
        # Thousands of peers answer the close, each in its own time: look now and then, with a deadline.
        while self.edge.sessions_held() and loop.time() < deadline - 0.5:  # noqa: ASYNC110
            await asyncio.sleep(LEFT_LOOK_S)
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


def _send_away(seat: Seat | DirectorySeat) -> None:
    seat.outbox.push(seat.reconnect_message(lifecycle.RECONNECT_WITHIN_MS))
    seat.dismiss(SERVICE_RESTART, "draining: come back in a moment")


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
