"""The real application, whose drain lasts until the file HOUSE_RELEASE exists, so that a test can look at it."""

import asyncio
import os
from pathlib import Path

from apps.realtime import lifecycle
from config.asgi import application

__all__ = ["application"]

RELEASE = Path(os.environ["HOUSE_RELEASE"])


async def hold(deadline: float) -> None:
    """Wait for the file, or the deadline."""
    while not RELEASE.exists() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


lifecycle.on_drain(hold)
