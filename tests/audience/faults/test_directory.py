"""The directory's socket: bad watch frames, ends, and a Redis that goes away."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audience.services import audience_sweep
from apps.streams.models import Stream
from apps.streams.services import stream_end
from tests.analytics.house import stream_make
from tests.load.crowd import ticket_make
from tests.services.redis_server import RedisServer
from tests.services.web import WebServer

from .house import Tab, Watched, metric, off_loop, open_at, open_tab

pytestmark = [pytest.mark.slow]

BAD: list[Any] = [
    None,
    1,
    "1",
    {"1": 1},
    ["1"],
    [1.0],
    [True],
    [0],
    [-1],
    [2**63],
    [[1]],
    [None],
    list(range(1, 62)),
]


def shown(tab: Tab) -> dict[str, Any]:
    """What the page shows now: every counts frame laid over the ones before."""
    counts: dict[str, Any] = {}
    for frame in tab.of_type("counts"):
        counts.update(frame["counts"])
    return counts


async def test_bad_watch_frames_close_the_socket(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server, before = web(), watched.dump()
    for ids in BAD:
        tab = await open_at(server, "/ws/directory/")
        tab.send({"type": "watch", "ids": ids})
        assert await tab.is_closed() == (4400, "bad_watch"), ids
        assert tab.frames == []
    without = await open_at(server, "/ws/directory/")
    without.send({"type": "watch"})
    assert await without.is_closed() == (4400, "bad_watch")
    reason = 'fullhouse_rejected_input_total{entrance="directory",reason="bad_watch"}'
    assert metric(server, reason) == len(BAD) + 1
    assert watched.dump() == before
    most = await open_at(server, "/ws/directory/")
    most.send({"type": "watch", "ids": list(range(stream.pk, stream.pk + 60))})
    await most.sees(shown)
    assert most.is_open


async def test_counts_move_and_an_end_comes_as_null(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    other = await off_loop(lambda: stream_make("other"))
    server = web()
    page = await open_at(server, "/ws/directory/")
    page.send({"type": "watch", "ids": [stream.pk, other.pk]})
    await page.sees(lambda tab: shown(tab) == {str(stream.pk): 0, str(other.pk): 0})
    viewer = await open_tab(server, ticket_make(stream.pk))
    await page.sees(lambda tab: shown(tab) == {str(stream.pk): 1, str(other.pk): 0})
    assert page.of_type("counts")[-1]["counts"] == {str(stream.pk): 1}  # what did not change is not sent
    await off_loop(audience_sweep)
    await page.sees(lambda tab: tab.of_type("counts")[-1]["house"] == 1)
    await viewer.leave()
    await off_loop(lambda: stream_end(stream=other))
    await page.sees(lambda tab: shown(tab) == {str(stream.pk): 0, str(other.pk): None})
    page.send({"type": "watch", "ids": []})
    page.send({"type": "watch", "ids": [stream.pk]})
    await page.sees(lambda tab: tab.of_type("counts")[-1]["counts"] == {str(stream.pk): 0})


async def test_stale_is_said_once_to_each_and_counts_come_back(
    own_redis: RedisServer, web: Callable[..., WebServer], stream: Stream
) -> None:
    server = web()
    page = await open_at(server, "/ws/directory/")
    page.send({"type": "watch", "ids": [stream.pk]})
    await page.sees(lambda tab: shown(tab) == {str(stream.pk): 0})
    at = page.of_type("counts")[-1]["at"]
    own_redis.stop(keep=True)
    await page.sees(lambda tab: tab.of_type("stale"))
    assert page.of_type("stale")[0]["since"] >= at
    newcomer = await open_at(server, "/ws/directory/")
    newcomer.send({"type": "watch", "ids": [stream.pk]})
    await newcomer.sees(lambda tab: tab.of_type("stale"))
    own_redis.start()
    await page.sees(lambda tab: tab.frames[-1]["type"] == "counts" and tab.frames[-1]["at"] > at)
    await newcomer.sees(lambda tab: shown(tab) == {str(stream.pk): 0})
    assert [len(tab.of_type("stale")) for tab in (page, newcomer)] == [1, 1]
    assert page.is_open
    assert newcomer.is_open
