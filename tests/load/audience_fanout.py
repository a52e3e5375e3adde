"""audience-fanout: a change in Redis reaches every viewer of a stream, through the real consumer and hub.

A viewer that no socket stands for comes and goes in Redis, at random moments, as if another server held it. The clock
starts when Redis has answered that change and stops when the last socket holds exactly that count.

Deliveries are frames that arrived here. Gross, they pay for all that the server did meanwhile; net, for what it did
beyond an idle stretch with the same sockets in the same run (pings, heartbeats and proofs of freshness go on in both).

What it cannot prove: sockets that read slowly or sit behind a network. One client core receives everything, so `p95_ms`
includes the time that the client needs to read its own frames.
"""

import asyncio
import random
import secrets
import time

from .crowd import Crowd
from .figures import Window, events_per_cpu_second, percentile
from .house import House
from .scenario import Options, Result, Scenario, fill, run_coroutine, say, settled_difference, warm_up

LIMIT_S = 5.0
LONGEST_PAUSE_S = 1.0


def run(house: House, options: Options) -> Result:
    """Idle for half of the time, then changes for the whole of it."""
    return run_coroutine(_run(house, options, house.streams_make(1)[0].pk))


class _Guest:
    """A viewer whom another server process holds."""

    def __init__(self, stream_id: int) -> None:
        from apps.audience.sessions import Session, owner_make

        self.stream_id = stream_id
        self.server = secrets.token_hex(6)
        owner = owner_make(connected_ms=int(time.time() * 1000), server=self.server, serial=1)
        self.session = Session(
            session_id=secrets.token_hex(8), viewer_id=f"a{secrets.token_hex(16)}", stream_id=stream_id, owner=owner
        )

    async def come(self) -> int:
        """Arrive in Redis; viewers now."""
        from apps.audience import store

        return await self._tell(store.announce, known=store.Figures("", 0, 0, 0), arrivals=True, held=1)

    async def go(self) -> int:
        """Depart; viewers now."""
        from apps.audience import store

        return await self._tell(store.depart, held=0)

    async def _tell(self, build: object, **rest: object) -> int:
        from apps.audience import store
        from apps.audience.sessions import seoul_day
        from apps.realtime import redis

        now_ms = int(time.time() * 1000)
        command = build(  # type: ignore[operator]
            stream_id=self.stream_id,
            day=seoul_day(now_ms),
            now_ms=now_ms,
            server=self.server,
            sessions=[self.session],
            **rest,
        )
        (reply,) = await redis.run([command])
        return store.figures_read(reply).current


async def _seen_by_all(crowd: Crowd, viewers: int, everybody: int, changed_at: float) -> float | None:
    """Seconds until every socket holds this count; None if that did not happen."""
    while time.monotonic() - changed_at < LIMIT_S:
        if crowd.message.get("current") == viewers and crowd.received >= everybody:
            return crowd.received_at - changed_at
        await asyncio.sleep(0.005)
    return None


async def _run(house: House, options: Options, stream_id: int) -> Result:
    from apps.realtime.redis import close_clients

    crowd = Crowd(house.address)
    await warm_up(crowd, stream_id)
    visitors = await fill(crowd, stream_id, options.connections)
    await settled_difference(house, {stream_id: options.connections})
    await asyncio.sleep(3.0)  # the last joins' pushes

    before, meter = crowd.frames, house.server_meter()
    await asyncio.sleep(options.seconds / 2)
    idle: Window = meter.window(crowd.frames - before)
    say(f"idle: {idle.cpu_share:.1%} of a core, {idle.events:,} frames in {idle.seconds:.0f} s")

    guest, here, waits, lost = _Guest(stream_id), False, [], 0
    before, meter, client_cpu = crowd.frames, house.server_meter(), time.process_time()
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))
        viewers = await (guest.go() if here else guest.come())
        here = not here
        seconds = await _seen_by_all(crowd, viewers, options.connections, time.monotonic())
        if seconds is None:
            lost += 1
        else:
            waits.append(seconds)
    busy = meter.window(crowd.frames - before)
    client_cpu = time.process_time() - client_cpu
    say(f"busy: {busy.cpu_share:.1%} of a core, {busy.events:,} frames in {busy.seconds:.0f} s, {len(waits)} changes")
    if here:
        await guest.go()
    await close_clients()

    figures = {
        "connections": options.connections,
        "changes": len(waits),
        "changes_not_seen_by_all": lost,
        "deliveries": busy.events,
        "deliveries_per_server_cpu_second": round(events_per_cpu_second(busy, idle)),
        "deliveries_per_server_cpu_second_gross": round(events_per_cpu_second(busy)),
        "client_cpu_share": round(client_cpu / busy.seconds, 2),
        "p50_ms": round(percentile(waits, 0.5) * 1000),
        "p95_ms": round(percentile(waits, 0.95) * 1000),
        "max_ms": round(max(waits) * 1000),
        "closed_by_server": sum(crowd.closed.values()) - 500,  # the 500 of the warm-up closed themselves
    }
    await crowd.leave_all(visitors)
    return Result(
        figures,
        goals={
            "deliveries_per_server_cpu_second": ("at_least", 70_000),
            "p95_ms": ("at_most", 1_200),
            "changes_not_seen_by_all": ("at_most", 0),
        },
    )


SCENARIO = Scenario("audience-fanout", "a change in Redis reaches every viewer of one stream", run, 10_000, 60)
