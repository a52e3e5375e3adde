"""A gate tells those who run zones what it knows: how its lines stand, every second; that it is there, now and then."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from django.conf import settings
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.redis import Command

from . import board_store
from .bearing import Bearing
from .metrics import failures

TELL_EVERY_S = 1.0
REPORT_EVERY_S = 5.0
TELL_TIMEOUT_S = 2.0


class Told(Protocol):
    """A zone's keeper, as far as it is told of."""

    sockets: int

    @property
    def is_awake(self) -> bool:
        """Whether the gate keeps up with its line."""

    def bearing(self) -> Bearing | None:
        """How its line stands; None before it was read."""


class Teller:
    """Tells of these zones, which come and go. `ticks` is a clock in seconds."""

    def __init__(self, gate: str, ticks: Callable[[], float], zones: Mapping[str, Told]) -> None:
        self._gate = gate
        self._ticks = ticks
        self._zones = zones
        self._reported_at = float("-inf")
        self._told: set[str] = set()  # zones that were told of, and have not been said to sleep

    async def run(self) -> None:
        """Tell once a second until cancelled."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            await self.tell()

    async def tell(self) -> None:
        """How the lines stand, which of them sleep since, and the report if it is due."""
        told = dict(self._bearings())
        commands = board_store.lines_tell(told, sorted(self._told - told.keys()))
        if is_due := self._ticks() - self._reported_at >= REPORT_EVERY_S:
            awake = {zone_id: keeper.sockets for zone_id, keeper in self._zones.items() if keeper.is_awake}
            commands.append(board_store.gate_report(gate=self._gate, sockets=awake))
            commands += board_store.gate_about(gate=self._gate, about=_about())
        if not await _sent(commands):
            REDIS_FAILURES.labels("gate_tell").inc()
            return
        self._told = set(told)
        if is_due:
            self._reported_at = self._ticks()

    def _bearings(self) -> Iterable[tuple[str, str]]:
        for zone_id, keeper in self._zones.items():
            if keeper.is_awake and (bearing := keeper.bearing()) is not None:
                yield zone_id, bearing.to_json()

    def goodbye(self) -> list[Command]:
        """This gate is gone. Its lines are told of by others, or not at all."""
        return board_store.gate_gone(self._gate)


def _about() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "role": settings.ROLE, "failures": failures()}


async def _sent(commands: list[Command]) -> bool:
    try:
        async with asyncio.timeout(TELL_TIMEOUT_S):
            return redis.first_error(await redis.run(commands)) is None
    except (RedisError, OSError):
        return False
