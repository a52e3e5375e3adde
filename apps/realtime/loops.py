"""Loops that run beside the requests for as long as the process does."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import Counter

RETRY_S = 1.0

logger = logging.getLogger(__name__)


async def keep_running(name: str, loop: Callable[[], Coroutine[Any, Any, None]], *, failures: Counter) -> None:
    """Run a loop for the life of the process. What it did not foresee is logged and counted, and it starts again.

    Without its loops a process shows what is old, or is taken for dead: none may end because of one bad moment.
    """
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("the %s loop failed and starts again", name)
            failures.labels(name).inc()
            await asyncio.sleep(RETRY_S)
