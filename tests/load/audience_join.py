"""audience-join: what a viewer's arrival costs, from connecting to the first count seen.

All viewers come to one stream at once. CPU of the server is gross: it holds the WebSocket handshake, the token's check,
the batched arrival, the first count, and the pushes to those who are there already.

What it cannot prove: latency over a network or TLS, both of which are missing here; and how a server fares whose cores
are shared with others. `p95_ms` is what the last of a crowd in flight waits, so it grows with `--connections`; it is no
latency of a single calm join.
"""

import asyncio
import time

from .crowd import Crowd
from .figures import events_per_cpu_second, net_us_per_event, percentile
from .house import House
from .scenario import Options, Result, Scenario, run_coroutine, say, settled_difference, tickets, warm_up

BACKGROUND_S = 3.0


def run(house: House, options: Options) -> Result:
    """One wave of joins."""
    return run_coroutine(_run(house, options, house.streams_make(1)[0].pk))


async def _run(house: House, options: Options, stream_id: int) -> Result:
    crowd = Crowd(house.address)
    await warm_up(crowd, stream_id)
    await settled_difference(house, {stream_id: 0})
    wave = tickets(stream_id, options.connections)

    background = house.redis_meter()
    await asyncio.sleep(BACKGROUND_S)
    idle = background.window()

    server, redis = house.server_meter(), house.redis_meter()
    started, client_cpu = time.monotonic(), time.process_time()
    joined = await crowd.join_all(wave, at_once=options.connections)
    seconds = time.monotonic() - started
    client_cpu = time.process_time() - client_cpu
    # Whoever fails is in `failed`, never in the divisor.
    at_server, at_redis = server.window(len(joined)), redis.window(len(joined))

    difference, settle_ms = await settled_difference(house, {stream_id: len(joined)})
    figures = {
        "joins": len(joined),
        "failed": options.connections - len(joined),
        "failures": dict(crowd.failures),
        "joins_per_second": round(len(joined) / seconds),
        "joins_per_server_cpu_second": round(events_per_cpu_second(at_server)),
        "p50_ms": round(percentile([waited for _, waited in joined], 0.5) * 1000),
        "p95_ms": round(percentile([waited for _, waited in joined], 0.95) * 1000),
        # Near 1 together with Redis, the client's core is full and the server waits for it.
        "client_cpu_share": round(client_cpu / seconds, 2),
        "server_cpu_share": round(at_server.cpu_share, 2),
        "redis_cpu_us_per_join": round(net_us_per_event(at_redis, idle), 2),
        "redis_cpu_us_per_join_gross": round(at_redis.cpu_seconds / len(joined) * 1e6, 2),
        "difference": difference,
        "settle_ms": settle_ms,
    }
    say(f"{len(joined):,} joins in {seconds:.2f} s, {at_server.cpu_seconds:.2f} s of server CPU")
    await crowd.leave_all([visitor for visitor, _ in joined])
    figures["difference_after_leaving"], _ = await settled_difference(house, {stream_id: 0})
    return Result(
        figures,
        goals={
            "joins_per_server_cpu_second": ("at_least", 2_000),
            "redis_cpu_us_per_join": ("at_most", 12),
            "failed": ("at_most", 0),
            "difference": ("at_most", 0),
            "difference_after_leaving": ("at_most", 0),
        },
    )


SCENARIO = Scenario(
    "audience-join", "connect, arrive and see the first count, all at once on one stream", run, 5_000, 0
)
