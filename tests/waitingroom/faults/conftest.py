"""Fixtures of the fault tests: a Redis to break, gates to kill, and the event loop of production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from tests.plugin import Stores
from tests.services.redis_cluster import RedisCluster
from tests.services.redis_server import RedisServer
from tests.services.web import WebServer

from .crowd import Crowd, Door


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, so that hundreds of clients in this process are not what is slow."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def own_redis(redis_url: str, private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
    """The data Redis of this test alone, to be broken. After `redis_url`, which would choose the shared one again."""
    use_redis(private_redis.url)
    return private_redis


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


@pytest_asyncio.fixture
async def crowd() -> AsyncIterator[Callable[..., Crowd]]:
    """Factory of crowds, `crowd(zone_id, gate, gate, ...)`, who go home and hang up when the test ends."""
    crowds: list[Crowd] = []

    def make(zone_id: str, *gates: WebServer) -> Crowd:
        crowds.append(Crowd(zone_id, [Door(each) for each in gates]))
        return crowds[-1]

    yield make
    for each in crowds:
        await each.close()
