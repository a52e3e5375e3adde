"""What a process does when it begins to serve, whether it is leaving, and what must happen before it goes.

A server that drains fails its readiness check, accepts nobody new, and then awaits every callback registered here.
Whoever holds sockets registers one, tells its clients to come back elsewhere, and closes in batches until the deadline.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

DrainCallback = Callable[[float], Awaitable[None]]

logger = logging.getLogger(__name__)

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
