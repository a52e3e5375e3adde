"""A server killed without a word, and one that drains: the count is exact again, or never moves at all."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from apps.audience.edge import Edge
from apps.audience.services import audience_sweep
from apps.audience.sessions import SILENCE_MS
from apps.audience.tokens import viewer_token_make
from apps.operations.replay.viewer import House, OpeningPace, Tally, Viewer
from apps.realtime import redis
from apps.streams.models import Stream
from tests.analytics.house import at_once, stream_make
from tests.load.crowd import Crowd, ticket_make
from tests.services.waiting import eventually_async
from tests.services.web import WebServer
from tests.services.worker import Worker

from .house import Watched, off_loop, open_tab
from .test_order import crowd_join

pytestmark = [pytest.mark.slow]

HELD = 5_000
LEFT_ALONE = 600


def address(server: WebServer) -> str:
    return server.base_url.removeprefix("http://")


async def test_a_killed_server_is_exact_at_once_when_its_viewers_return_and_within_65_s_when_they_do_not(
    web: Callable[..., WebServer], worker: Callable[..., Worker], stream: Stream, watched: Watched
) -> None:
    """5,600 sockets on the server that dies: 5,000 come back to the other, the 600 of another stream do not."""
    quiet = Watched((await off_loop(lambda: stream_make("quiet"))).pk)
    dies, stays = web(), web()
    celery = [worker(), worker(kind="beat"), worker(kind="beat")]  # two beats: everything is sent twice
    here, there = Crowd(address(dies)), Crowd(address(stays))
    tickets = [ticket_make(stream.pk) for _ in range(HELD)]
    lost = [ticket_make(quiet.stream_id) for _ in range(LEFT_ALONE)]
    assert len(await here.join_all([*tickets, *lost], at_once=300)) == HELD + LEFT_ALONE
    stay = [ticket_make(one.stream_id) for one in (watched, quiet) for _ in range(50)]
    assert len(await there.join_all(stay, at_once=50)) == 100
    assert watched.figures == (HELD + 50, HELD + 50, HELD + 50)
    assert quiet.figures == (LEFT_ALONE + 50,) * 3

    dies.kill()
    killed_at = time.monotonic()
    back = await there.join_all(tickets, at_once=300)
    returned_s = time.monotonic() - killed_at
    assert (len(back), dict(there.failures)) == (HELD, {})
    exact_s = await watched.settles(current=HELD + 50, tabs=HELD + 50, deadline=5)
    print(f"{HELD} came back in {returned_s:.1f} s; exact {exact_s:.2f} s after the last of them")
    assert watched.figures == (HELD + 50, HELD + 50, HELD + 50)

    await quiet.settles(current=50, tabs=50, deadline=65 - (time.monotonic() - killed_at))
    print(f"without returning: exact {time.monotonic() - killed_at:.1f} s after the kill")
    assert quiet.figures == (50, LEFT_ALONE + 50, LEFT_ALONE + 50)
    # The sweep, twice a beat, took out the dead and nobody else.
    assert watched.figures == (HELD + 50, HELD + 50, HELD + 50)
    await watched.settles(current=HELD + 50, tabs=HELD + 50, deadline=5)
    assert dict(there.closed) == {}
    assert all(process.process.is_running for process in celery)
    stays.kill()  # nobody here would answer its farewell


def test_one_sweep_takes_out_all_who_fell_silent_and_two_at_once_take_out_no_more(
    stream: Stream, watched: Watched
) -> None:
    """A given clock instead of a minute: 1,200 silent, of whom a call of the script takes 500."""

    async def fill() -> int:
        edge = Edge()
        crowd_join(edge, stream.pk, 1_200)
        assert await edge.flush()
        await redis.close_clients()
        return time.time_ns() // 1_000_000

    now_ms = asyncio.run(fill())
    assert audience_sweep(now_ms=now_ms + SILENCE_MS - 5_000) == 0
    assert watched.figures == (1_200, 1_200, 1_200)

    def sweep(meet: Callable[[], object]) -> int:
        meet()
        return audience_sweep(now_ms=now_ms + SILENCE_MS + 1)

    swept = at_once(sweep)
    assert sum(each for each in swept if isinstance(each, int)) == 1_200
    assert watched.figures == (0, 1_200, 1_200)
    assert audience_sweep(now_ms=now_ms + SILENCE_MS + 1) == 0


async def test_a_drain_under_load_moves_no_count(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    """A rolling deploy: two servers on one port, one is told to leave, its viewers come back with the same sessions."""
    number = 1_000
    leaves = web()
    stays = web(port=leaves.port, args=("--share-port",), wait=False)
    await off_loop(lambda: stays.process.wait_ready(lambda: "serves" in stays.log(), deadline=60, not_yet=()))
    house = House(
        url=leaves.base_url,
        pace=OpeningPace(400),
        tally=Tally(),
        chance=random.Random(2),
        token_make=lambda stream_id, viewer, session, browser: viewer_token_make(
            stream_id=stream_id, viewer_id=viewer, session_id=session, browser_id=browser
        ),
        run="drain",
    )
    viewers = [
        Viewer(house, stream_id=stream.pk, device=str(n), number=n, changed=lambda viewer: None) for n in range(number)
    ]
    visits = [asyncio.create_task(viewer.watch()) for viewer in viewers]

    async def all_are_present() -> bool:
        return all(viewer.present for viewer in viewers)

    await eventually_async(all_are_present, deadline=60)
    await watched.settles(current=number, tabs=number)

    samples: list[int] = []
    ends = asyncio.Event()

    async def sample() -> None:
        while not ends.is_set():
            samples.append(watched.figures[0])
            await asyncio.sleep(0.02)

    sampler = asyncio.create_task(sample())
    started = time.monotonic()
    leaves.terminate()
    assert await off_loop(lambda: leaves.process.wait(30)) == 0
    drained_s = time.monotonic() - started
    await eventually_async(all_are_present, deadline=30)
    returned_s = time.monotonic() - started
    # Through the grace of those who left, too: nothing may come later.
    await watched.settles(current=number, tabs=number)
    ends.set()
    await sampler
    moved = house.tally.reconnected
    print(f"{moved} moved; drained in {drained_s:.1f} s, all back after {returned_s:.1f} s, {len(samples)} samples")
    assert 300 < moved < 700  # the kernel spreads connections over the two
    assert (min(samples), max(samples)) == (number, number)
    assert watched.figures == (number, number, number)
    assert dict(house.tally.errors) == {}
    for viewer in viewers:
        viewer.leave()
    await asyncio.gather(*visits)
    await watched.settles(current=0, tabs=0)
    assert watched.figures == (0, number, number)


async def test_what_a_drain_looks_like_from_a_tab(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    leaves, stays, ticket = web(), web(), ticket_make(stream.pk)
    tab = await open_tab(leaves, ticket)
    await tab.sees_count(1)
    leaves.terminate()
    assert await tab.is_closed() == (1012, "draining")
    word = dict(tab.frames[-1])
    ticket = replace(ticket, path=f"{ticket.path.partition('?')[0]}?token={word.pop('token')}")
    assert word == {"type": "reconnect", "within_ms": 5_000}
    assert watched.figures == (1, 1, 1)
    again = await open_tab(stays, ticket)
    assert (await again.sees_count(1))["total"] == 1
    await watched.settles(current=1, tabs=1)
