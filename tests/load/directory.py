"""directory: the page of live streams and the ranking, with 10,000 streams live (`--connections` says how many).

Requests come at random moments at a fixed mean rate, whether or not the one before has been answered, so a slow answer
makes the next ones wait as it would for people. Then `wrk` asks for the ranking as fast as it is answered, which
says what one core can do at most. Viewers per stream are put into the ranking directly: what is measured is reading.

What it cannot prove: MariaDB's time for the same queries (SQLite serves here), and a browser's time to draw the page.
"""

import asyncio
import random
import time

from .figures import events_per_cpu_second, percentile, wrk_read
from .house import House
from .scenario import Options, Result, Scenario, run_coroutine, say

# One server core: together well under half of what it can do, as an operator would plan.
PAGES_A_SECOND = 10.0
RANKINGS_A_SECOND = 50.0
# As fast as it goes: enough connections that the server never waits for a question.
WRK = ("wrk", "-t1", "-c8", "-d5s")
BATCH = 1_000


def run(house: House, options: Options) -> Result:
    """Fill the directory, then ask for one address after the other."""
    started = time.monotonic()
    streams = house.streams_make(options.connections)
    _rank(house, [(stream.pk, stream.category_id) for stream in streams])
    say(f"{len(streams):,} streams went live in {time.monotonic() - started:.0f} s")
    return run_coroutine(_run(house, options))


def _rank(house: House, streams: list[tuple[int, int]]) -> None:
    """Give every stream an audience with a long tail."""
    from apps.audience import house_store
    from apps.realtime.redis import close_sync_clients, run_now

    for start in range(0, len(streams), BATCH):
        part = streams[start : start + BATCH]
        scores = {stream_id: 100_000 // (start + place + 1) for place, (stream_id, _) in enumerate(part)}
        run_now([house_store.rank(None, scores)])
        for category_id in {category_id for _, category_id in part}:
            own = {stream_id: scores[stream_id] for stream_id, category in part if category == category_id}
            run_now([house_store.rank(category_id, own)])
    close_sync_clients()


async def _get(host: str, port: int, path: str) -> tuple[int, int]:
    """(status, bytes) of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), len(answer)


async def ask(house: House, path: str, *, rate: float, seconds: float) -> dict[str, float]:
    """Waits for one address, asked at random moments at this rate."""
    host, _, port = house.address.partition(":")
    chance, loop = random.Random(1), asyncio.get_running_loop()
    for _ in range(5):
        await _get(host, int(port), path)  # caches of code and templates
    waits: list[float] = []
    sizes: list[int] = []
    failed = 0

    async def one(at: float) -> None:
        nonlocal failed
        await asyncio.sleep(at - loop.time())
        status, size = await _get(host, int(port), path)
        waits.append(loop.time() - at)
        sizes.append(size)
        failed += status != 200

    moments, now = [], loop.time()
    until = now + seconds
    while (now := now + chance.expovariate(rate)) < until:
        moments.append(now)
    meter = house.server_meter()
    await asyncio.gather(*(one(at) for at in moments))
    window = meter.window(len(waits))
    return {
        "requests": len(waits),
        "failed": failed,
        "p50_ms": round(percentile(waits, 0.5) * 1000, 1),
        "p95_ms": round(percentile(waits, 0.95) * 1000, 1),
        "max_ms": round(max(waits) * 1000, 1),
        "server_cpu_ms_each": round(window.cpu_seconds / window.events * 1000, 2),
        "kib": round(percentile(sizes, 0.5) / 1024, 1),
    }


async def _flood(house: House, path: str) -> tuple[float, int]:
    """(requests a CPU second of the server, failed ones) with `wrk` asking without a pause."""
    meter = house.server_meter()
    wrk = await asyncio.create_subprocess_exec(*WRK, f"{house.web.base_url}{path}", stdout=asyncio.subprocess.PIPE)
    report, _ = await wrk.communicate()
    requests, failed = wrk_read(report.decode())
    return round(events_per_cpu_second(meter.window(requests))), failed


async def _run(house: House, options: Options) -> Result:
    page = await ask(house, "/", rate=PAGES_A_SECOND, seconds=options.seconds)
    say(f"/: {page}")
    rankings = await ask(house, "/api/rankings", rate=RANKINGS_A_SECOND, seconds=options.seconds)
    say(f"/api/rankings: {rankings}")
    flood, flood_failed = await _flood(house, "/api/rankings")
    say(f"/api/rankings by wrk: {flood} a CPU second, {flood_failed} failed")
    figures = {
        "streams": options.connections,
        "page_p95_ms": page["p95_ms"],
        "rankings_p95_ms": rankings["p95_ms"],
        "rankings_requests_per_server_cpu_second": flood,
        "failed": page["failed"] + rankings["failed"] + flood_failed,
        "page": page,
        "rankings": rankings,
    }
    return Result(
        figures,
        goals={"page_p95_ms": ("at_most", 50), "rankings_p95_ms": ("at_most", 10), "failed": ("at_most", 0)},
    )


SCENARIO = Scenario("directory", "the live directory and the ranking with very many streams", run, 10_000, 20)
