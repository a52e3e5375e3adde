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
from apps.realtime.clock import epoch_ms
from apps.realtime.consumers import open_sockets
from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.slicing import slices

from . import house_store, store
from .edge import Edge
from .metrics import failures
from .removals import Removals
from .seats import LocalStream, Seat
from .selectors import PIPELINE
from .sessions import BEAT_EVERY_S, seoul_day

REPORT_EVERY_BEATS = 3
# Heartbeat calls in one round trip: 4 calls of 1,000 keep Redis busy for 12 ms in slices of 3, and joins wait as long.
CALLS_AT_ONCE = 4


class Pulse:
    """Heartbeats and reports of one edge, and a look at who was sent away."""

    def __init__(self, edge: Edge, removals: Removals | None = None) -> None:
        self._edge = edge
        self._removals = removals or Removals(edge)
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
            for stream in due:
                stream.announce_now = True
        self._second += 1

    async def announce(self, streams: list[LocalStream]) -> None:
        """Tell Redis everything about these streams. Raises RedisError when it cannot be told anything.

        A stream that fails by itself is told again at the next beat; the others are not held up by it.
        """
        started_ms = epoch_ms()
        parts: list[tuple[LocalStream, list[Seat]]] = []
        for stream in streams:
            stream.announce_now = False
            seats = list(stream.seats.values())
            starts = range(0, max(1, len(seats)), store.BEATS_PER_CALL)
            parts += [(stream, seats[start : start + store.BEATS_PER_CALL]) for start in starts]
        for start in range(0, len(parts), CALLS_AT_ONCE):
            async with self._edge.speaking:
                await self._tell(parts[start : start + CALLS_AT_ONCE])
        async with self._edge.speaking:
            await self._tell_whole(streams, started_ms)

    async def _tell_whole(self, streams: list[LocalStream], started_ms: int) -> None:
        """Only now is every session of these streams known to have been announced since then; repairs rely on it."""
        whole = [stream.stream_id for stream in streams if stream.seats and not stream.announce_now]
        for group in slices(whole, PIPELINE):
            await redis.run(
                [
                    command
                    for stream_id in group
                    for command in store.announced(stream_id=stream_id, server=self._edge.server, at_ms=started_ms)
                ]
            )

    async def _tell(self, parts: list[tuple[LocalStream, list[Seat]]]) -> None:
        # Only who is still here: some have left while earlier parts were told.
        here = [
            (stream, [seat for seat in seats if stream.seats.get(seat.session.session_id) is seat])
            for stream, seats in parts
        ]
        replies = await redis.run([self._call(stream, seats) for stream, seats in here])
        for (stream, seats), reply in zip(here, replies, strict=True):
            if isinstance(reply, Exception):
                REDIS_FAILURES.labels("audience_pulse").inc()
                stream.announce_now = True
                continue
            if store.figures_read(reply).state == "ended":
                self._edge.end_soon(stream.stream_id)
                stream.announce_now = True  # it was told of nobody
                continue
            self._edge.learn(stream, seats, reply)
            self._edge.drop_if_idle(stream)

    def _call(self, stream: LocalStream, seats: list[Seat]) -> redis.Command:
        now_ms = epoch_ms()
        # Who has not been told as an arrival yet is left to the flush, so that the visit is counted.
        sessions = [seat.session for seat in seats if seat.session.session_id not in stream.arrived]
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
        """Register this process, alive now, and hear who was sent away."""
        about: dict[str, str | int] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "role": settings.ROLE,
            "sockets": open_sockets(),
            "sessions": self._edge.sessions_held(),
            "failures": failures(),
        }
        report = house_store.server_report(server=self._edge.server, now_ms=epoch_ms(), about=about)
        replies = await redis.run([*report, *self._removals.look()])
        if error := redis.first_error(replies):
            raise error
        self._removals.looked(replies[len(report) :])
        if house_store.server_is_new(replies):
            # Redis had not heard of this process: if it was wiped, everything of ours is gone with it.
            for stream in self._edge.streams.values():
                stream.announce_now = True

    async def goodbye(self) -> None:
        """Take this process off the register, at once instead of after its silence."""
        await redis.run(house_store.server_gone(self._edge.server))
