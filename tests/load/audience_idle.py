"""audience-idle: what a viewer costs who does nothing but watch.

Memory is the server's proportional set size with the sockets open, less what it was after a warm-up. CPU is all that
the server used over the held time, its own background included: pings, heartbeats to Redis, proofs of freshness, reads.

What it cannot prove: memory of the kernel's socket buffers, which is not the process's (`ss -m` shows it), and growth
over days. A quarter of a minute shows less than one round of heartbeats, so hold at least 60 s.
"""

import asyncio

from .crowd import Crowd
from .house import House
from .scenario import Options, Result, Scenario, fill, run_coroutine, say, settled_difference, warm_up

CALM_S = 5.0


def run(house: House, options: Options) -> Result:
    """Hold the sockets."""
    return run_coroutine(_run(house, options, house.streams_make(1)[0].pk))


async def _run(house: House, options: Options, stream_id: int) -> Result:
    crowd = Crowd(house.address)
    await warm_up(crowd, stream_id)
    await settled_difference(house, {stream_id: 0})
    await asyncio.sleep(CALM_S)
    base = house.server_kib()
    visitors = await fill(crowd, stream_id, options.connections)
    await asyncio.sleep(CALM_S)
    say(f"{options.connections:,} sockets are open; holding them {options.seconds:.0f} s")

    server, redis, frames = house.server_meter(), house.redis_meter(), crowd.frames
    await asyncio.sleep(options.seconds)
    at_server, at_redis = server.window(), redis.window()
    held = house.server_kib()

    difference, _ = await settled_difference(house, {stream_id: options.connections})
    closed = sum(crowd.closed.values()) - 500  # the 500 of the warm-up closed themselves
    connection_seconds = options.connections * at_server.seconds
    figures = {
        "connections": options.connections,
        "seconds": round(at_server.seconds, 1),
        "base_mib": round(base / 1024, 1),
        "kib_per_connection": round((held - base) / options.connections, 2),
        "cpu_us_per_connection_second": round(at_server.cpu_seconds / connection_seconds * 1e6, 2),
        "redis_cpu_us_per_connection_second": round(at_redis.cpu_seconds / connection_seconds * 1e6, 3),
        "frames_per_connection": round((crowd.frames - frames) / options.connections, 2),
        "closed": closed,
        "difference": difference,
    }
    await crowd.leave_all(visitors)
    return Result(
        figures,
        goals={
            "kib_per_connection": ("at_most", 22),
            "cpu_us_per_connection_second": ("at_most", 10),
            "closed": ("at_most", 0),
            "difference": ("at_most", 0),
        },
    )


SCENARIO = Scenario("audience-idle", "sockets that only watch: memory and CPU of each", run, 10_000, 60)
