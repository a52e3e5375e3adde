"""Joins, leaves and heartbeats of one process under way at once: what Redis is told last is what is true.

A large heartbeat takes Redis many turns, and other connections get theirs in between. So a leave must not overtake a
heartbeat that still names the session, nor a heartbeat the arrival that counts the visit.
"""

import asyncio
import dataclasses

import pytest

from apps.audience import store
from apps.audience.edge import Edge
from apps.audience.pulse import Pulse
from apps.audience.sessions import Session, seoul_day
from apps.realtime import redis
from apps.realtime.outbox import Message, Outbox

from .house import Watched

CROWD = 10_000


async def swallow(message: Message) -> None:
    """A socket that always takes what it is sent."""


class Seat:
    """A connection as the edge sees it, without a socket."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.outbox = Outbox(swallow, lambda: None)
        self.closed_with = 0

    def dismiss(self, code: int, reason: str) -> None:
        self.closed_with = code

    def reconnect_message(self, within_ms: int) -> Message:
        raise AssertionError("nobody drains here")


def crowd_join(edge: Edge, stream_id: int, number: int = CROWD) -> list[Seat]:
    """So many viewers take their seats."""
    seats = []
    for n in range(number):
        session = edge.session_make(session_id=f"s{n:015d}", viewer_id=f"a{n:032d}", stream_id=stream_id)
        seats.append(Seat(session))
        edge.join(seats[-1])
    return seats


@pytest.fixture
def anywhere(redis_url: str) -> Watched:
    """A stream that only Redis knows."""
    return Watched(77)


async def let_it_begin(turns: int) -> None:
    """Give what was started so many turns of the event loop: it has sent, and its reply is under way."""
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", [1, 3, 10, 30])
async def test_a_leave_does_not_overtake_a_heartbeat(anywhere: Watched, turns: int) -> None:
    edge = Edge()
    seats = crowd_join(edge, anywhere.stream_id)
    assert await edge.flush()
    assert anywhere.figures == (CROWD, CROWD, CROWD)
    beat = asyncio.ensure_future(Pulse(edge).announce([edge.streams[anywhere.stream_id]]))
    await let_it_begin(turns)
    for seat in seats[-1000:]:
        edge.leave(seat)
    assert await edge.flush()
    await beat
    audit = anywhere.audit
    assert (audit.current, audit.heard) == (CROWD - 1000, CROWD - 1000)
    assert audit.agrees_with_itself


@pytest.mark.parametrize("turns", [1, 3, 10, 30])
async def test_a_heartbeat_does_not_overtake_an_arrival(anywhere: Watched, turns: int) -> None:
    edge = Edge()
    crowd_join(edge, anywhere.stream_id)
    flush = asyncio.ensure_future(edge.flush())
    await let_it_begin(turns)
    await Pulse(edge).announce([edge.streams[anywhere.stream_id]])
    assert await flush
    assert anywhere.figures == (CROWD, CROWD, CROWD)


async def test_who_left_before_redis_answered_is_not_left_behind(anywhere: Watched) -> None:
    edge = Edge()
    (seat,) = crowd_join(edge, anywhere.stream_id, 1)
    assert await edge.flush()
    # What a Redis that hung gives: the arrival was done, and nobody heard of it.
    stream = edge.streams[anywhere.stream_id]
    edge._put_back(stream, [seat], [])
    edge.leave(seat)
    assert await edge.flush()
    assert anywhere.figures == (0, 1, 1)
    assert edge.streams == {}


async def test_who_came_and_went_within_one_flush_leaves_nothing(anywhere: Watched) -> None:
    edge = Edge()
    (seat,) = crowd_join(edge, anywhere.stream_id, 1)
    edge.leave(seat)
    assert await edge.flush()
    assert edge.streams == {}
    assert anywhere.audit.heard == 0


async def test_late_and_repeated_leaves_change_nothing(anywhere: Watched) -> None:
    """Server two holds the session now; server one says, late and twice, that it left."""
    one, two = Edge(), Edge()
    (old,) = crowd_join(one, anywhere.stream_id, 1)
    assert await one.flush()
    (new,) = crowd_join(two, anywhere.stream_id, 1)
    assert old.session.owner[:13] <= new.session.owner[:13]
    # A later connection has a later time; within one millisecond the servers' names decide, so set it apart here.
    new.session = dataclasses.replace(new.session, owner=str(int(new.session.owner[:13]) + 1) + new.session.owner[13:])
    assert await two.flush()
    for _ in range(2):
        assert await leave_says(one, old) == (1, 1, 1)
    assert await leave_says(two, new) == (0, 1, 1)
    assert await leave_says(two, new) == (0, 1, 1)
    assert await leave_says(one, old) == (0, 1, 1)
    assert anywhere.audit.heard == 0


async def leave_says(edge: Edge, seat: Seat) -> tuple[int, int, int]:
    """Tell Redis, whatever it was told before, that this seat is empty; the figures after."""
    session = seat.session
    now_ms = int(session.owner[:13])
    command = store.depart(
        stream_id=session.stream_id,
        day=seoul_day(now_ms),
        now_ms=now_ms,
        server=edge.server,
        held=0,
        sessions=[session],
    )
    found = store.figures_read((await redis.run([command]))[0])
    return found.current, found.peak, found.total


async def test_without_the_owner_a_late_leave_would_take_the_viewer_out(anywhere: Watched) -> None:
    """What the owner in the leave is for: the same leave in the newer connection's name does its work."""
    one, two = Edge(), Edge()
    (old,) = crowd_join(one, anywhere.stream_id, 1)
    assert await one.flush()
    (new,) = crowd_join(two, anywhere.stream_id, 1)
    new.session = dataclasses.replace(new.session, owner=str(int(new.session.owner[:13]) + 1) + new.session.owner[13:])
    assert await two.flush()
    assert await leave_says(one, old) == (1, 1, 1)
    old.session = dataclasses.replace(old.session, owner=new.session.owner)
    assert await leave_says(one, old) == (0, 1, 1)
