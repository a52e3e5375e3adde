"""Coroutines run by hand up to their first wait: what needs no wait costs no task and no timer."""

from collections.abc import Generator
from typing import Any


class Started:
    """A coroutine that already ran up to its first wait, to be awaited for its rest; gives its result."""

    def __init__(self, coroutine: Any, waiting_for: Any) -> None:
        """`waiting_for` is what `coroutine.send(None)` gave."""
        self._coroutine = coroutine
        self._waiting_for = waiting_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waiting_for = self._waiting_for
        while True:
            try:
                outcome = yield waiting_for
            except BaseException as error:
                step = lambda error=error: self._coroutine.throw(error)  # noqa: E731
            else:
                step = lambda outcome=outcome: self._coroutine.send(outcome)  # noqa: E731
            try:
                waiting_for = step()
            except StopIteration as done:
                return done.value
