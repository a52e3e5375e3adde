"""A gate process dies, or leaves: nobody loses a place, nobody enters twice."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apps.realtime import redis
from apps.waitingroom.rules import Mode
from tests.audience.faults.house import open_at
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from ..gate import Client, line_of, zone_change, zone_open
from .crowd import Crowd

pytestmark = pytest.mark.slow

NewGate = Callable[..., WebServer]
NewCrowd = Callable[..., Crowd]


def entries() -> int:
    """How many entered, says the log of the minute."""
    log: Any = redis.sync_client().lrange("line:{concert}:log", 0, -1)
    return sum(int(entry.split(b":")[1]) for entry in log)


async def test_kill_9_in_the_middle_of_a_claim(own_redis: RedisServer, gate: NewGate, crowd: NewCrowd) -> None:
    rules = zone_open(mode=Mode.PAUSED, per_minute=600)
    server = gate()
    people = crowd("concert", server)
    [visitor], [doomed] = await people.come(1), people.doors
    assert visitor.state == "paused"
    zone_change(rules, mode=Mode.QUEUE_ALL)

    glance = Client(server.port)

    async def is_called() -> bool:
        front = (await line_of()).front  # no other gate has moved it
        told = await asyncio.to_thread(glance.ask, "zones/concert", method="GET")
        return told.json["mode"] == "queue-all" and front > visitor.place

    await eventually_async(is_called, every=0.02)
    glance.close()
    own_redis.pause()
    asking = asyncio.create_task(visitor.ask(doomed))
    await asyncio.wait({asking}, timeout=0.5)
    assert not asking.done()  # the claim is on its way
    server.kill()
    with pytest.raises(OSError):
        await asking
    own_redis.resume()
    [other] = crowd("concert", gate()).doors

    async def is_inside() -> bool:
        return bool((await visitor.ask(other))["canEnter"])

    await eventually_async(is_inside, deadline=10, every=0.6)
    assert (await visitor.ask(other))["pass"] == visitor.granted  # the same bytes
    assert (entries(), (await line_of()).waiting) == (1, 0)


async def test_a_gate_that_leaves_hands_everybody_over(own_redis: RedisServer, gate: NewGate, crowd: NewCrowd) -> None:
    zone_open(mode=Mode.PAUSED)
    leaving, staying = gate(), gate()
    people = crowd("concert", leaving, staying)
    visitors = await people.come(60)
    tabs = [await open_at(leaving, f"/ws/zones/concert/?token={each.token}") for each in visitors[:30]]
    for tab in tabs:
        await tab.sees(lambda one: one.of_type("line"))
    people.live(visitors)
    assert await asyncio.to_thread(leaving.terminate, 30) == 0
    assert [tab.of_type("reconnect") for tab in tabs] == [[{"type": "reconnect", "within_ms": 5000}]] * 30
    assert {await tab.is_closed() for tab in tabs} == {(1012, "draining")}
    back = [await open_at(staying, f"/ws/zones/concert/?token={each.token}") for each in visitors[:30]]

    async def all_stand_where_they_stood() -> bool:
        order = sorted(visitors, key=lambda each: each.place)
        assert [(await each.ask(people.doors[1]))["waiting"]["rank"] for each in order] == list(range(1, 61))
        return True

    await all_stand_where_they_stood()
    for tab, visitor in zip(back, visitors, strict=False):
        await tab.sees(lambda one: one.of_type("line"))
        assert tab.of_type("line")[-1]["waiting"]["rank"] == visitor.rank
    await people.end()
    assert ((await line_of()).waiting, (await line_of()).next) == (60, 60)
