"""The same promises on a Redis Cluster, and what a Cluster adds: a master that dies and its replica that takes over."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import MovedError

from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from tests.analytics.house import stream_make
from tests.load.crowd import Crowd, ticket_make
from tests.plugin import Stores
from tests.services.redis_cluster import RedisCluster
from tests.services.redis_server import RedisServer
from tests.services.web import WebServer

from .house import Watched, off_loop, open_tab

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture
def own_cluster(
    redis_url: str, use_redis: Callable[[str], str], stores: Stores, tmp_path: Path
) -> Iterator[RedisCluster]:
    """A Cluster of this test alone, to be broken."""
    cluster = RedisCluster(stores.folder / f"cluster-{tmp_path.name[-20:]}")
    try:
        use_redis(cluster.start().url)
        yield cluster
    finally:
        cluster.remove()


def owner_of(cluster: RedisCluster, key: str) -> RedisServer:
    """The master that holds this key."""
    for node in cluster.masters():
        with node.client() as client:
            try:
                client.get(key)
            except MovedError:
                continue
            return node
    raise AssertionError("no master owns the key")


def stream_of_first_master() -> Stream:
    """A stream held by the master that a client asks what any node knows: no other is missed as much."""
    client: Any = sync_client()
    first = client.get_default_node()
    streams = (stream_make(f"busy-{number}") for number in itertools.count())
    return next(each for each in streams if client.get_node_from_key(f"view:{{{each.pk}}}:current") == first)


@pytest.mark.parametrize("redis_url", ["cluster"], indirect=True)
async def test_joins_tabs_and_leaves_are_exact_on_two_servers(
    redis_url: str, web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    servers = [web(), web()]
    others = [Watched((await off_loop(lambda name=name: stream_make(name))).pk) for name in ("b", "c", "d")]  # type: ignore[misc]
    crowds = [Crowd(server.base_url.removeprefix("http://")) for server in servers]
    here = [
        await crowd.join_all([ticket_make(one.stream_id) for one in (watched, *others) for _ in range(100)], at_once=50)
        for crowd in crowds
    ]
    tab, browser = await open_tab(servers[0], ticket_make(stream.pk)), ticket_make(stream.pk).browser_id
    doubled = [await open_tab(server, ticket_make(stream.pk, browser_id=browser)) for server in servers]
    for one in others:
        await one.settles(current=200, tabs=200)
    await watched.settles(current=202, tabs=203)
    await tab.sees_count(202)
    await doubled[0].leave()
    await watched.settles(current=202, tabs=202)
    await crowds[1].leave_all([visitor for visitor, _ in here[1]])
    await watched.settles(current=102, tabs=102)
    for one in others:
        await one.settles(current=100, tabs=100)
        assert one.figures == (100, 200, 200)
    await tab.sees_count(102)
    assert watched.figures == (102, 202, 202)


async def test_a_master_killed_while_sockets_are_held(
    own_cluster: RedisCluster, web: Callable[..., WebServer], transactional_db: None
) -> None:
    stream = await off_loop(stream_of_first_master)
    watched = Watched(stream.pk)
    server = web()
    crowd = Crowd(server.base_url.removeprefix("http://"))
    joined = await crowd.join_all([ticket_make(stream.pk) for _ in range(300)], at_once=50)
    tab = await open_tab(server, ticket_make(stream.pk))
    await tab.sees_count(301)
    master = await off_loop(lambda: owner_of(own_cluster, f"view:{{{stream.pk}}}:current"))
    await off_loop(master.kill)
    killed_at = time.monotonic()
    # While nobody owns the slot: some leave, some come.
    await crowd.leave_all([visitor for visitor, _ in joined[:100]])
    newcomers = [await open_tab(server, ticket_make(stream.pk)) for _ in range(20)]
    await watched.settles(current=221, tabs=221, deadline=60)
    print(f"exact {time.monotonic() - killed_at:.1f} s after the master died")
    for one in (tab, *newcomers):
        assert (await one.sees_count(221, deadline=20))["total"] == 321
        assert one.is_open
    assert dict(crowd.closed) == {1000: 100}
    assert watched.figures[2] == 321
