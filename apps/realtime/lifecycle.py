"""What a process does when it begins to serve, whether it is leaving, and what must happen before it goes.

A server that drains fails its readiness check, accepts nobody new, and then awaits every callback registered here.
Whoever holds sockets registers one, tells its clients to come back elsewhere, and closes in batches until the deadline.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from prometheus_client import Counter

DrainCallback = Callable[[float], Awaitable[None]]
T = TypeVar("T")

logger = logging.getLogger(__name__)

# Sockets closed in one go while draining, and the window in which a page comes back: neither the loop here nor the
# servers that take them over see all of them at once.
DRAIN_BATCH = 250
DRAIN_PAUSE_S = 0.05
RECONNECT_WITHIN_MS = 5_000
LOOP_RETRY_S = 1.0

_draining = False
_callbacks: list[DrainCallback] = []
_starts: list[Callable[[], object]] = []


def on_start(callback: Callable[[], object]) -> None:
    """Have this called once on the event loop of a server that begins to serve."""
    if callback not in _starts:
        _starts.append(callback)


def run_start() -> None:
    """Call what was registered."""
    for callback in _starts:
        callback()


def is_draining() -> bool:
    """True from the moment the process was told to leave."""
    return _draining


def begin_drain() -> None:
    """Mark the process as leaving. There is no way back: a process that drains ends."""
    global _draining
    _draining = True


def on_drain(callback: DrainCallback) -> None:
    """Register ``async def drain(deadline)``; ``deadline`` is in the event loop's own time (``loop.time()``)."""
    if callback not in _callbacks:
        _callbacks.append(callback)


async def run_drain(*, seconds: float) -> None:
    """Run every callback at once, for ``seconds`` at most. One that fails or overruns never holds up the others."""
    if not _callbacks:
        return
    deadline = asyncio.get_running_loop().time() + seconds
    tasks = [asyncio.ensure_future(callback(deadline)) for callback in _callbacks]
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        logger.warning("%d drain callback(s) did not finish within %g s", len(late), seconds)
    for task in done:
        if (error := task.exception()) is not None:
            logger.error("A drain callback failed", exc_info=error)


async def dismiss_in_batches(seats: Sequence[T], dismiss: Callable[[T], object], *, deadline: float) -> None:
    """Have all of these sockets close, a batch at a time until the deadline (loop time), and then the rest at once."""
    loop = asyncio.get_running_loop()
    for start in range(0, len(seats), DRAIN_BATCH):
        for seat in seats[start : start + DRAIN_BATCH]:
            dismiss(seat)
        if loop.time() < deadline - 1.0:
            await asyncio.sleep(DRAIN_PAUSE_S)


async def keep_running(name: str, loop: Callable[[], Coroutine[Any, Any, None]], *, failures: Counter) -> None:
    """Run a loop for the life of the process. What it did not foresee is logged and counted, and it starts again."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("the %s loop failed and starts again", name)
            failures.labels(name).inc()
            await asyncio.sleep(LOOP_RETRY_S)
