"""Coroutine tests of the audience run on the event loop of production."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.audience.stage import Stage


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, as `serve` uses it."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def stage(redis_url: str) -> Stage:
    """Stream 7, with a clock that the test moves; on the Redis that `redis_url` says."""
    return Stage(7)
