"""The real application, whose drain lasts until the file HOUSE_RELEASE exists, so that a test can look at it."""

import asyncio
import contextlib
import os
from pathlib import Path

from apps.realtime import lifecycle
from config.asgi import application
from tests.services.waiting import NeverHappened, eventually_async

__all__ = ["application"]

RELEASE = Path(os.environ["HOUSE_RELEASE"])


async def hold(deadline: float) -> None:
    """Wait for the file, or the deadline."""

    async def is_released() -> bool:
        return RELEASE.exists()  # noqa: ASYNC240  one look at a local file

    with contextlib.suppress(NeverHappened):
        left = deadline - asyncio.get_running_loop().time()
        await eventually_async(is_released, deadline=left, every=0.02)


lifecycle.on_drain(hold)
