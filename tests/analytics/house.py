"""A small house with real viewers in Redis, for tests of the past."""

import datetime
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

from apps.audience import store
from apps.audience.services import stream_list
from apps.audience.sessions import Session, owner_make, seoul_day
from apps.realtime import redis
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start

T = TypeVar("T")


def stream_make(name: str) -> Stream:
    """A live stream of its own broadcaster, listed in Redis."""
    category = category_ensure(slug="talk", name="Talk")
    broadcaster = broadcaster_ensure(name=name, slug=name)
    stream = stream_start(broadcaster=broadcaster, category=category, title=f"{name} speaks")
    stream_list(stream=stream)
    return stream


def _sessions(stream: Stream, viewers: Sequence[str]) -> list[Session]:
    """One tab each, held by the same connection whenever it is asked: only its owner may close it."""
    owner = owner_make(connected_ms=int(stream.started_at.timestamp() * 1000), server="t", serial=1)
    return [Session(f"{stream.pk}-{viewer}", viewer, stream.pk, owner) for viewer in viewers]


def _epoch_ms(at: datetime.datetime | None) -> int:
    return int((time.time() if at is None else at.timestamp()) * 1000)


def viewers_arrive(stream: Stream, *viewers: str, at: datetime.datetime | None = None) -> None:
    """Each of them opens one tab, now or at that moment."""
    now_ms = _epoch_ms(at)
    sessions = _sessions(stream, viewers)
    command = store.announce(
        stream_id=stream.pk,
        day=seoul_day(now_ms),
        now_ms=now_ms,
        server="t",
        held=len(sessions),
        known=store.Figures("live", 0, 0, 0),
        sessions=sessions,
        arrivals=True,
    )
    assert redis.first_error(redis.run_now([command])) is None


def viewers_leave(stream: Stream, *viewers: str, at: datetime.datetime | None = None) -> None:
    """Each of them closes that tab, now or at that moment."""
    now_ms = _epoch_ms(at)
    sessions = _sessions(stream, viewers)
    command = store.depart(
        stream_id=stream.pk, day=seoul_day(now_ms), now_ms=now_ms, server="t", held=0, sessions=sessions
    )
    assert redis.first_error(redis.run_now([command])) is None


def at_once(fn: Callable[[Callable[[], object]], T], times: int = 2) -> list[T | Exception]:
    """Run `fn` in threads, each with a database connection of its own; what each returned or raised.

    `fn` is given a function to call at the point that all must reach before any goes on.
    """
    barrier = Barrier(times, timeout=20)

    def run() -> T | Exception:
        try:
            return fn(barrier.wait)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(times)]]
