"""Redis wiped, stopped for half a minute, and hung: sockets stay, pages say that figures are old, counts come back."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from apps.streams.models import Stream
from tests.load.crowd import Crowd, Visitor, ticket_make
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from .house import Tab, Watched, metric, off_loop, open_tab

pytestmark = [pytest.mark.slow]

DOWN_S = 30.0
STALE_WITHIN_S = 6.0


async def crowd_at(server: WebServer, stream_id: int, number: int) -> tuple[Crowd, list[Visitor]]:
    """So many viewers who were all counted."""
    crowd = Crowd(server.base_url.removeprefix("http://"))
    joined = await crowd.join_all([ticket_make(stream_id) for _ in range(number)], at_once=100)
    assert (len(joined), dict(crowd.failures)) == (number, {})
    return crowd, [visitor for visitor, _ in joined]


def ask(server: WebServer, path: str, *, body: dict[str, Any] | None = None) -> tuple[int, str, str]:
    """Status, media type and content of a GET, or of a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  our own server
        f"{server.base_url}{path}", data=data, headers={"Content-Type": "application/json"} if data else {}
    )
    try:
        response = urllib.request.urlopen(request, timeout=20)  # noqa: S310
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, response.headers.get_content_type(), response.read().decode()


@pytest.mark.parametrize("how", ["restarted", "flushed"])
async def test_a_wiped_redis_is_exact_again_within_a_heartbeat_and_nobody_is_disconnected(
    how: str, own_redis: RedisServer, web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    servers = [web(), web()]
    crowds = [await crowd_at(server, stream.pk, 250) for server in servers]
    tabs = [await open_tab(server, ticket_make(stream.pk)) for server in servers]
    for tab in tabs:
        await tab.sees_count(502)
    await crowds[0][0].leave_all(crowds[0][1][:100])
    for tab in tabs:
        await tab.sees_count(402)
    await watched.settles(current=402, tabs=402)
    assert watched.figures == (402, 502, 502)

    def wipe() -> None:
        own_redis.flush() if how == "flushed" else own_redis.restart(keep=False)

    await off_loop(wipe)
    seconds = await watched.settles(current=402, tabs=402, deadline=15)
    print(f"{how}: exact after {seconds:.2f} s")
    # Peak and visits are what the servers remember; nobody's return was counted as a visit.
    assert watched.figures == (402, 502, 502)
    for tab in tabs:
        await tab.sees_count(402)
        assert tab.frames[-1]["total"] == 502
    assert [dict(crowd.closed) for crowd, _ in crowds] == [{1000: 100}, {}]
    # The stream is in the rankings again, although nobody but its viewers spoke of it.
    newcomer = await open_tab(servers[1], ticket_make(stream.pk))
    assert await newcomer.sees_count(403) == newcomer.frames[-1]
    assert watched.figures == (403, 502, 503)
    items = json.loads((await off_loop(lambda: ask(servers[0], "/api/rankings")))[2])["items"]
    assert [(item["id"], item["viewers"]) for item in items] == [(stream.pk, 403)]


async def test_redis_down_for_half_a_minute(
    own_redis: RedisServer, web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    """Data and support Redis are the same here, as in embedded mode: everything is away at once."""
    server = web(env={"SUPPORT_REDIS_URL": own_redis.url})
    crowd, viewers = await crowd_at(server, stream.pk, 200)
    tab = await open_tab(server, ticket_make(stream.pk))
    await tab.sees_count(201)
    before = ticket_make(stream.pk)
    await off_loop(lambda: own_redis.stop(keep=True))
    down_at = time.monotonic()

    assert await tab.sees(lambda one: one.of_type("stale"), deadline=STALE_WITHIN_S)
    print(f"stale after {time.monotonic() - down_at:.2f} s")
    # Joins and leaves go on. Who comes now is told at once that there are no figures, and has none made up.
    newcomers = [await open_tab(server, before if n == 0 else ticket_make(stream.pk)) for n in range(30)]
    for newcomer in newcomers:
        await newcomer.sees(lambda one: one.of_type("stale"), deadline=STALE_WITHIN_S)
        assert [frame["type"] for frame in newcomer.frames] == ["stale"]
    await crowd.leave_all(viewers[:50])
    for passer_by in newcomers[:10]:
        await passer_by.leave()  # came and went, and Redis never heard of it

    # The API says so in JSON; pages render; who renews a token gets one.
    for path in (f"/api/streams/{stream.pk}/viewers", "/api/rankings", "/api/rankings?category=talk"):
        status, kind, content = await off_loop(lambda path=path: ask(server, path))  # type: ignore[misc]
        assert (status, kind, sorted(json.loads(content))) == (503, "application/json", ["detail", "error"])
    for path in ("/", f"/live/{stream.pk}/", "/?q=busy"):
        status, kind, content = await off_loop(lambda path=path: ask(server, path))  # type: ignore[misc]
        assert (status, kind) == (200, "text/html")
        assert "busy speaks" in content
    status, _, content = await off_loop(lambda: ask(server, "/api/streams"))
    assert (status, [item["viewers"] for item in json.loads(content)["items"]]) == (200, [None])
    status, _, content = await off_loop(lambda: ask(server, f"/api/streams/{stream.pk}/token", body={}))
    assert (status, sorted(json.loads(content))) == (200, ["expires_in", "token"])
    assert (await off_loop(lambda: ask(server, "/health/live")))[0] == 200
    assert (await off_loop(lambda: ask(server, "/health/ready")))[0] == 503
    assert metric(server, "fullhouse_audience_stale") == 1

    # It stays away for its half minute, and nobody is lost for that.
    while time.monotonic() < down_at + DOWN_S:
        assert (tab.is_open, dict(crowd.closed)) == (True, {1000: 50})
        await asyncio.sleep(0.5)
    await off_loop(own_redis.start)
    seconds = await watched.settles(current=171, tabs=171, deadline=15)
    print(f"exact {seconds:.2f} s after it came back")
    # It is told of those who came and of those who left in one breath, and the peak is not made up of both.
    assert watched.figures == (171, 201, 221)
    for one in (tab, *newcomers[10:]):
        assert (await one.sees_count(171))["total"] == 221
        assert len(one.of_type("stale")) == 1
    assert dict(crowd.closed) == {1000: 50}
    assert metric(server, "fullhouse_audience_stale") == 0


async def test_a_redis_that_hangs(
    own_redis: RedisServer, web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    """It takes what it is told and answers nothing; when it goes on, it does what it was told long ago, too."""
    server = web()
    crowd, viewers = await crowd_at(server, stream.pk, 200)
    tab = await open_tab(server, ticket_make(stream.pk))
    await tab.sees_count(201)
    own_redis.pause()
    paused_at = time.monotonic()
    try:
        newcomers: list[Tab] = [await open_tab(server, ticket_make(stream.pk)) for _ in range(20)]
        # One flush is out by now and unanswered; these leave while nobody knows whether it was done.
        assert await tab.sees(lambda one: one.of_type("stale"), deadline=STALE_WITHIN_S)
        for newcomer in newcomers[:10]:
            await newcomer.leave()
        await crowd.leave_all(viewers[:50])

        async def was_refused() -> bool:
            return metric(server, 'fullhouse_redis_failures_total{caller="audience_flush"}') >= 1

        await eventually_async(was_refused, deadline=20, every=0.2)
    finally:
        own_redis.resume()
    print(f"hung for {time.monotonic() - paused_at:.1f} s")
    seconds = await watched.settles(current=161, tabs=161, deadline=15)
    print(f"exact {seconds:.2f} s after it went on")
    await tab.sees_count(161)
    assert watched.figures[0] == 161
    assert dict(crowd.closed) == {1000: 50}
    assert all(newcomer.is_open for newcomer in newcomers[10:])
