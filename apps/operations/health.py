"""Whether this process can do its work now: it is not leaving, and the stores of its role answer within a second."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from apps.realtime import lifecycle, redis

PART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer, with the state of each part that was asked: "ok", or why not."""

    draining: bool
    parts: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether new visitors may be sent here."""
        return not self.draining and all(state == "ok" for state in self.parts.values())

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `/health/ready`."""
        status = "draining" if self.draining else "ready" if self.ready else "unavailable"
        return {"status": status, "role": settings.ROLE, "parts": self.parts}


async def readiness() -> Readiness:
    """Ask every part at once. A process that is leaving asks nobody: its answer is settled."""
    if lifecycle.is_draining():
        return Readiness(draining=True, parts={})
    checks: dict[str, Awaitable[str]] = {"redis": _state(redis.ping(), RedisError)}
    if settings.ROLE != "gate":  # a gate has no database
        checks["database"] = _state(_database_ping(), DatabaseError)
    states = await asyncio.gather(*checks.values())
    return Readiness(draining=False, parts=dict(zip(checks, states, strict=True)))


async def _state(ping: Awaitable[Any], error: type[Exception]) -> str:
    # The reason stays short and free of addresses: anyone may read this page.
    try:
        async with asyncio.timeout(PART_SECONDS):
            await ping
    except TimeoutError:
        return "no answer"
    except (error, OSError):
        return "unreachable"
    return "ok"


@sync_to_async
def _database_ping() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
