"""One deed of an operator that is done to many: whom nobody could be told of, and what is not asked again.

What is told to Redis or to servers is told after the row is true, and brought by jobs where it failed; so a failure
stops nothing. But whoever did it must hear that nothing has happened yet. And a Redis that hangs takes ten seconds a
try: five hundred bans, each tried by itself, would take more than an hour. What gave no answer once within a deed is
taken to be away for the rest of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

REDIS = "the data Redis"
SERVERS = "the channel layer"


@dataclass(slots=True)
class Deed:
    """What is known of a deed so far."""

    untold: list[str] = field(default_factory=list)  # whom or what nobody could be told of
    away: set[str] = field(default_factory=set)


_deed: ContextVar[Deed | None] = ContextVar("deed", default=None)


@contextmanager
def one_deed() -> Iterator[Deed]:
    """All that is done within this block is one deed."""
    deed = Deed()
    token = _deed.set(deed)
    try:
        yield deed
    finally:
        _deed.reset(token)


@contextmanager
def asked_once(part: str) -> Iterator[None]:
    """A call to this part: RedisError at once if it gave no answer before, within the deed. Outside of one, a call."""
    deed = _deed.get()
    if deed is None:
        yield
        return
    if part in deed.away:
        raise RedisConnectionError(f"{part} gave no answer a moment ago")
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OSError):
        deed.away.add(part)
        raise


def nobody_heard(what: str) -> None:
    """Nobody could be told of this one; a job will."""
    if (deed := _deed.get()) is not None:
        deed.untold.append(what)
