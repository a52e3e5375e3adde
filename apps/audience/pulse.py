"""The pulse: what this process tells Redis again and again, so that a loss heals and a death is noticed.

Heartbeats announce every session each BEAT_EVERY_S, a share of the streams each second. A report registers the process;
one that stops is forgotten after SERVER_SILENCE_MS, and its sessions fall silent within a minute.
"""

import asyncio
import os
import socket

from django.conf import settings
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.consumers import open_sockets
from apps.realtime.metrics import REDIS_FAILURES

from . import store
from .edge import Edge, LocalStream, Seat, epoch_ms
from .sessions import BEAT_EVERY_S, seoul_day

REPORT_EVERY_BEATS = 3
# Heartbeat calls in one round trip: 10 calls of 1,000 keep Redis busy for 30 ms in slices of 3.
CALLS_AT_ONCE = 10


class Pulse:
    """Heartbeats and reports of one edge."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._second = 0

    async def run(self) -> None:
        """Beat once a second until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.beat()
            due = max(due + 1.0, loop.time())
            await asyncio.sleep(due - loop.time())

    async def beat(self) -> None:
        """Announce the streams whose turn it is, and those that Redis lost; report the process every few seconds."""
        slots = int(BEAT_EVERY_S)
        slot = self._second % slots
        due = [s for s in self._edge.streams.values() if s.announce_now or s.stream_id % slots == slot]
        try:
            if self._second % REPORT_EVERY_BEATS == 0:
                await self.report()
            await self.announce(due)
        except (RedisError, OSError):
            REDIS_FAILURES.labels("audience_pulse").inc()
        self._second += 1

    async def announce(self, streams: list[LocalStream]) -> None:
        """Tell Redis everything about these streams. Raises RedisError when it cannot be told."""
        calls: list[tuple[redis.Command, LocalStream, list[Seat]]] = []
        for stream in streams:
            stream.announce_now = False
            seats = list(stream.seats.values())
            for start in range(0, max(1, len(seats)), store.BEATS_PER_CALL):
                part = seats[start : start + store.BEATS_PER_CALL]
                calls.append((self._call(stream, part), stream, part))
        for start in range(0, len(calls), CALLS_AT_ONCE):
            group = calls[start : start + CALLS_AT_ONCE]
            try:
                replies = await redis.run([command for command, _, _ in group])
                if error := redis.first_error(replies):
                    raise error
            except (RedisError, OSError):
                for _, stream, _ in calls[start:]:
                    stream.announce_now = True
                raise
            for (_, stream, part), reply in zip(group, replies, strict=True):
                if store.figures_read(reply).state == "ended":
                    self._edge.end_soon(stream.stream_id)
                else:
                    owners = {seat.session.session_id: seat.session.owner for seat in part}
                    self._edge.lose(stream, store.lost_read(reply), owners)

    def _call(self, stream: LocalStream, seats: list[Seat]) -> redis.Command:
        now_ms = epoch_ms()
        # Who has not been told as an arrival yet is left to the flush, so that the visit is counted.
        untold = stream.arrived.keys() | stream.telling
        sessions = [seat.session for seat in seats if seat.session.session_id not in untold]
        return store.announce(
            stream_id=stream.stream_id,
            day=seoul_day(now_ms),
            now_ms=now_ms,
            server=self._edge.server,
            held=len(stream.seats),
            known=stream.known,
            sessions=sessions,
            arrivals=False,
        )

    async def report(self) -> None:
        """Register this process, alive now."""
        about: dict[str, str | int] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "role": settings.ROLE,
            "sockets": open_sockets(),
            "sessions": self._edge.sessions_held(),
        }
        await redis.run(store.server_report(server=self._edge.server, now_ms=epoch_ms(), about=about))

    async def goodbye(self) -> None:
        """Take this process off the register, at once instead of after its silence."""
        await redis.run(store.server_gone(self._edge.server))
