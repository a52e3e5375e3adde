"""Fixtures of the fault tests: a Redis to break, a stream to watch, and the event loop of production."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from apps.streams.models import Stream
from tests.analytics.house import stream_make
from tests.services.redis_server import RedisServer

from .house import Watched


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, so that thousands of clients in this process are not what is slow."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def own_redis(redis_url: str, private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
    """The data Redis of this test alone, to be broken. After `redis_url`, which would choose the shared one again."""
    use_redis(private_redis.url)
    return private_redis


@pytest.fixture
def stream(request: pytest.FixtureRequest, transactional_db: None, redis_url: str) -> Stream:
    """A live stream; listed in `own_redis` if the test has one."""
    if "own_redis" in request.fixturenames:
        request.getfixturevalue("own_redis")
    return stream_make("busy")


@pytest.fixture
def watched(stream: Stream) -> Watched:
    """The figures of that stream."""
    return Watched(stream.pk)
