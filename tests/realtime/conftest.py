"""Coroutine tests of the ground floor run on the event loop of production."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, as `serve` uses it."""
    return {"uvloop": uvloop.new_event_loop}
