"""Waiting for a state by asking again until a deadline, never by sleeping for a guessed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# What "not yet" looks like: an assertion that does not hold, or a part that does not answer.
NOT_YET: tuple[type[BaseException], ...] = (AssertionError, OSError)


class NeverHappened(AssertionError):
    """The awaited state did not come before the deadline; says what was seen last."""


def _seen(what: object, seconds: float) -> NeverHappened:
    last = f"{type(what).__name__}: {what}" if isinstance(what, BaseException) else repr(what)
    return NeverHappened(f"not within {seconds:g} s; last seen: {last}")


def eventually(
    fn: Callable[[], T],
    *,
    deadline: float = 10.0,
    every: float = 0.05,
    not_yet: tuple[type[BaseException], ...] = NOT_YET,
) -> T:
    """Call `fn` until it answers, and return its answer. None, False and the exceptions of `not_yet` mean "not yet".

    A function that only asserts must end with `return True`.
    """
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            last = result = fn()
            if result is not None and result is not False:
                return result
        except not_yet as error:
            last = error
        if time.monotonic() >= end:
            raise _seen(last, deadline) from (last if isinstance(last, BaseException) else None)
        time.sleep(every)


async def eventually_async(
    fn: Callable[[], Awaitable[T]],
    *,
    deadline: float = 10.0,
    every: float = 0.05,
    not_yet: tuple[type[BaseException], ...] = NOT_YET,
) -> T:
    """`eventually` for a coroutine function, leaving the event loop free between two calls."""
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            last = result = await fn()
            if result is not None and result is not False:
                return result
        except not_yet as error:
            last = error
        if time.monotonic() >= end:
            raise _seen(last, deadline) from (last if isinstance(last, BaseException) else None)
        await asyncio.sleep(every)
