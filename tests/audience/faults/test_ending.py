"""A stream that ends: everybody on every server is told and let go, and Redis keeps figures and nobody."""

import asyncio
from collections.abc import Callable

import pytest

from apps.audience import selectors
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from apps.streams.services import stream_end
from tests.load.crowd import Crowd, ticket_make
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from .house import Watched, metric, off_loop, open_tab

pytestmark = [pytest.mark.slow]

CROWD = 300


async def test_an_end_reaches_every_server_and_leaves_nobody_behind(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    servers = [web(), web()]
    crowds = [Crowd(server.base_url.removeprefix("http://")) for server in servers]
    for crowd in crowds:
        joined = await crowd.join_all([ticket_make(stream.pk) for _ in range(CROWD)], at_once=100)
        assert len(joined) == CROWD
    tabs = [await open_tab(server, ticket_make(stream.pk)) for server in servers]
    everybody = 2 * CROWD + 2
    for tab in tabs:
        await tab.sees_count(everybody)
    gone = joined[0][0]
    await crowds[1].leave_all([gone])
    await watched.settles(current=everybody - 1, tabs=everybody - 1)

    await off_loop(lambda: stream_end(stream=stream))
    for tab in tabs:
        assert await tab.is_closed() == (4410, "ended")
        assert tab.frames[-1] == {"type": "ended", "stream": stream.pk}

    async def all_closed() -> bool:
        assert [dict(crowd.closed) for crowd in crowds] == [{4410: CROWD}, {4410: CROWD - 1, 1000: 1}]
        return True

    await eventually_async(all_closed)
    # Sessions that ended wait for the database, which no worker here writes into, for as long as it takes.
    past = {key for key in watched.dump() if key.startswith(b"live:past:")}
    assert past == {f"live:past:{{{stream.pk}}}{part}".encode() for part in ("", ":about", ":ended")}
    figures = set(watched.dump()) - past
    kept = {key.decode().rpartition(":")[2] if b":unique:" not in key else "unique" for key in figures}
    assert kept == {"state", "current", "peak", "total", "unique"}
    assert watched.figures == (0, everybody, everybody)
    ttls = [sync_client().ttl(key) for key in figures]
    assert all(0 < int(ttl) <= 86_400 for ttl in ttls), ttls
    row = await off_loop(lambda: Stream.objects.get(pk=stream.pk))
    assert (row.status, row.peak_viewers, row.total_viewers) == ("ended", everybody, everybody)
    assert await asyncio.to_thread(selectors.listings_live) == []
    assert [metric(server, "fullhouse_audience_sessions") for server in servers] == [0, 0]
    # Who still has the page open and tries again is told the same.
    late = await open_tab(servers[0], ticket_make(stream.pk))
    assert await late.is_closed() == (4410, "ended")
    assert watched.figures == (0, everybody, everybody)


async def test_an_end_that_nobody_was_told_of_is_seen_at_the_next_read(
    web: Callable[..., WebServer], stream: Stream, watched: Watched, settings: object
) -> None:
    """The channel layer is away, so the control event is lost; the board reads that the stream is over."""
    tab = await open_tab(web(env={"SUPPORT_REDIS_URL": "redis://127.0.0.1:1/0"}), ticket_make(stream.pk))
    await tab.sees_count(1)
    await off_loop(lambda: stream_end(stream=stream))
    assert await tab.is_closed() == (4410, "ended")
    assert watched.figures == (0, 1, 1)
