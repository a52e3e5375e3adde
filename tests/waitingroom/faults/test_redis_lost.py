"""Redis forgets everything, or goes away, while a line stands."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.replies import pulse_read
from apps.waitingroom.rules import Mode, ZoneRules
from apps.waitingroom.snapshot import Bitmap
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from ..gate import Client, line_of, zone_open
from .crowd import Crowd

pytestmark = pytest.mark.slow

NewGate = Callable[..., WebServer]
NewCrowd = Callable[..., Crowd]


def fill(rules: ZoneRules, batches: range) -> None:
    """A thousand people a batch, of whom nothing is heard again."""
    zone = {"zone_id": rules.zone_id, "epoch": rules.epoch, "server": "elsewhere"}
    replies = redis.run_now([store.join(**zone, batch=batch, count=1_000) for batch in batches])  # type: ignore[arg-type]
    assert redis.first_error(replies) is None


def standing(rules: ZoneRules) -> Bitmap:
    """Who waits, by Redis."""
    reply = redis.run_now([store.pulse(zone_id=rules.zone_id, epoch=rules.epoch, seen=None, known_rev=-1)])[0]
    pulse = pulse_read(reply)
    assert pulse.bits is not None
    return Bitmap(pulse.base, pulse.bits)


def glance(server: WebServer) -> dict[str, Any]:
    """The zone as this gate last read it."""
    client = Client(server.port)
    try:
        return dict(client.ask("zones/concert", method="GET").json)
    finally:
        client.close()


async def test_a_line_of_a_hundred_thousand_forms_again_in_the_same_order(
    own_redis: RedisServer, gate: NewGate, crowd: NewCrowd
) -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=1_200)
    servers = [gate(), gate()]
    people = crowd("concert", *servers)
    front = await people.come(300)
    fill(rules, range(1, 51))
    middle = await people.come(20)
    fill(rules, range(51, 101))
    back = await people.come(20)
    people.live(people.visitors)

    async def inside(count: int) -> bool:
        return len(people.inside) >= count

    async def is_read() -> bool:
        lines = [await asyncio.to_thread(glance, server) for server in servers]
        return {line["enteringPerMinute"] for line in lines} == {len(people.inside)} and len(people.inside) >= 120

    await eventually_async(is_read, deadline=12, every=0.2)  # by both gates: a window has been used
    ranks = {each.place: each.rank for each in (*middle, *back)}
    entered = {each.place for each in people.inside}
    own_redis.flush()

    async def stands_again() -> bool:
        assert (await line_of()).waiting > 100_000
        return True

    await eventually_async(stands_again)
    newcomers = await people.come(10)
    assert min(each.place for each in newcomers) > max(each.place for each in back) + 1_000_000
    await eventually_async(lambda: inside(len(entered) + 60), deadline=20)  # and goes on
    await people.end()
    # Nobody stands there again who had entered before the gates read the line, whenever they had been heard of.
    stands = await asyncio.to_thread(standing, rules)
    assert [place for place in sorted(entered) if stands.holds(place)] == []
    for visitor in (*middle, *back, *newcomers):
        told = [rank for _, rank in visitor.ranks]
        assert told == sorted(told, reverse=True)  # nobody was ever told a worse rank
    assert {each.place for each in people.inside} <= {each.place for each in front}
    in_order = sorted((*middle, *back, *newcomers), key=lambda each: each.place)
    finally_told = [(await each.ask(people.doors[0]))["waiting"]["rank"] for each in in_order]
    assert finally_told == sorted(set(finally_told))
    assert all(each.rank <= ranks[each.place] for each in (*middle, *back))
    people.check(1_200)


async def test_each_zones_fail_mode_holds_while_redis_is_away(
    own_redis: RedisServer, gate: NewGate, crowd: NewCrowd
) -> None:
    zone_open(zone_id="closed", mode=Mode.QUEUE_ALL, per_minute=60)
    zone_open(zone_id="opened", mode=Mode.QUEUE_ALL, per_minute=60, fail_open=True)
    server = gate()
    closed, opened = crowd("closed", server), crowd("opened", server)
    only = closed.doors[0]
    # More than may have entered unseen, however long Redis is away: of a shorter line nobody knows whether it ended and
    # a burst followed, and then the whole minute counts as used.
    held, let_in = (await closed.come(61))[-1], (await opened.come(20))[-1]
    own_redis.stop(keep=True)

    async def knows() -> bool:
        return (await held.ask(only))["state"] == "holding"

    await eventually_async(knows, deadline=15, every=0.6)
    assert held.rank > 6  # where it stood

    async def enters() -> bool:
        return bool((await let_in.ask(only))["canEnter"])

    await eventually_async(enters, every=0.6)
    status, newcomer = await only.post("wait", {"zoneId": "closed"})
    assert (status, newcomer["state"], newcomer["token"], newcomer["canEnter"]) == (200, "holding", "", False)
    status, newcomer = await only.post("wait", {"zoneId": "opened"})
    assert (status, newcomer["state"], newcomer["canEnter"]) == (200, "admitted", True)
    own_redis.start()
    closed.live(closed.visitors)

    async def goes_on() -> bool:
        return len(closed.inside) >= 3 and held.state == "waiting"

    await eventually_async(goes_on, deadline=20)
    await closed.end()
    closed.check(60)
