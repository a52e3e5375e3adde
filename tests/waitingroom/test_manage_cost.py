"""The managers' live pages: what they cost Redis however many watch, also in a storm."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from apps.accounts.services import operator_ensure
from apps.realtime.clock import epoch_ms
from apps.waitingroom import services
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.manage import feed as feed_module
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.manage.selectors import wall_now
from apps.waitingroom.models import Zone
from tests.services.both import on_both
from tests.services.waiting import eventually_async
from tests.waitingroom.managing import (
    PASSWORD,
    commands,
    frame,
    frame_where,
    in_thread,
    line_tell,
    session_of,
    watching,
)
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


# --- what it costs ------------------------------------------------------------------------------------------------


async def cost(feed: Feed, ticks: int) -> Counter[str]:
    """What so many ticks cost Redis; made by hand, so that it is exact."""
    before = commands()
    for _ in range(ticks):
        await feed.tick()
        await feed.reading.settle()
    return commands() - before


@pytest.fixture
def still(by_hand: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the feed no time passes: what it reads again after some seconds, or in a new minute, comes on top."""
    minute = int(time.time()) // 60 - 5  # long settled
    monkeypatch.setattr(by_hand, "_minute", lambda: minute)
    monkeypatch.setattr(by_hand, "_ticks", lambda: 0.0)


async def seated(feed: Feed, count: int) -> bool:
    """Whether so many pages are open: a socket is accepted before its session is looked at."""
    return len(feed.seats()) == count


@on_both
@pytest.mark.parametrize("path", ["wall/", "zones/concert/"])
async def test_fifty_who_watch_cost_redis_what_one_does(
    by_hand: Feed, still: None, hers: str, concert: Zone, path: str
) -> None:
    line_tell(concert, now_ms=epoch_ms(), waiting=70)
    ticks = 10
    async with AsyncExitStack() as watchers:
        await watchers.enter_async_context(watching(path, hers))
        await eventually_async(lambda: seated(by_hand, 1))
        await cost(by_hand, 5)  # what a page needs once
        one = await cost(by_hand, ticks)
        for _ in range(49):
            await watchers.enter_async_context(watching(path, hers))
        await eventually_async(lambda: seated(by_hand, 50))
        fifty = await cost(by_hand, ticks)
    assert one.total() / ticks < 10
    assert fifty == one
    expected = {"evalsha": ticks, "mget": ticks, "time": ticks, "zrangebyscore": ticks // 5}
    assert fifty.items() >= expected.items()


@on_both
async def test_five_hundred_zones_cost_redis_what_one_does_and_are_shown_quickly(
    by_hand: Feed, redis_url: str, transactional_db: None
) -> None:
    boss = await in_thread(operator_ensure, username="boss", password=PASSWORD)
    first = await in_thread(zone_make, zone_id="z0")
    session = await in_thread(session_of, user=boss)
    line_tell(first, now_ms=epoch_ms(), waiting=1)
    async with watching("wall/", session) as one:
        await eventually_async(lambda: seated(by_hand, 1))
        await cost(by_hand, 2)
        alone = await cost(by_hand, 10)
        rows = [Zone(zone_id=f"z{number}", name=f"Zone {number}", app=f"app{number % 20}") for number in range(1, 500)]
        await in_thread(Zone.objects.bulk_create, objs=rows)
        for zone in rows:
            line_tell(zone, now_ms=epoch_ms() + 60_000, waiting=50, entering=30, eta=9)
        await in_thread(by_hand.reading.forget)
        await cost(by_hand, 3)
        told = await frame_where(one, lambda told: len(told["rows"]) == 500)
        assert told["whole"] is True
        crowded = await cost(by_hand, 10)
        assert crowded == alone
        assert crowded.total() / 10 < 10
        began = time.process_time()
        await by_hand.push()
        assert time.process_time() - began < 0.1
        began = time.process_time()
        assert len(await in_thread(wall_now, user=boss)) == 500
        assert time.process_time() - began < 0.2


@on_both
async def test_many_zones_watched_at_once_stay_within_the_budget(
    by_hand: Feed, redis_url: str, transactional_db: None
) -> None:
    boss = await in_thread(operator_ensure, username="boss", password=PASSWORD)
    session = await in_thread(session_of, user=boss)
    async with AsyncExitStack() as watchers:
        for number in range(20):
            zone = await in_thread(zone_make, zone_id=f"z{number}")
            line_tell(zone, now_ms=epoch_ms(), waiting=number)
            await watchers.enter_async_context(watching(f"zones/z{number}/", session))
        await eventually_async(lambda: seated(by_hand, 20))
        ticks = 10
        assert (await cost(by_hand, ticks)).total() / ticks < 10


async def test_nobody_who_watches_costs_nothing(quick: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)

    async def is_forgotten() -> bool:
        return quick._board is None

    await eventually_async(is_forgotten)
    before = commands()
    await asyncio.sleep(10 * feed_module.TICK_S)  # nothing is waited for: ten ticks are to pass without a command
    assert commands() == before


# --- a storm ------------------------------------------------------------------------------------------------------


async def kept(house: Gatehouse) -> ZoneKeeper:
    """The gate's keeper of the concert, once it has heard of it."""

    async def found() -> ZoneKeeper | None:
        return house.zone("concert")

    keeper = await eventually_async(found)
    assert keeper is not None
    return keeper


@on_both
async def test_fifty_managers_watch_a_storm(feed: Feed, house: Gatehouse, hers: str, concert: Zone) -> None:
    """Two thousand come in two seconds; every page sees the line of the same moments, and Redis hardly notices them."""
    keeper = await kept(house)
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(watching("zones/concert/", hers)) for _ in range(50)]
        for page in pages:
            await frame(page)
        for _ in range(20):
            await asyncio.gather(*(keeper.join("client") for _ in range(100)))
            await asyncio.sleep(0.05)
        expected = 2_000 - 60

        async def seen(page: Any) -> list[int]:
            waiting = [0]
            async with asyncio.timeout(10):
                while waiting[-1] != expected:
                    waiting.append((await frame(page, within=5))["waiting"])
            return waiting

        lines = await asyncio.gather(*map(seen, pages))
        assert all(line == sorted(line) for line in lines)
        assert len({tuple(sorted(set(line))) for line in lines}) == 1


@on_both
async def test_a_change_of_n_reaches_the_gates(house: Gatehouse, concert: Zone) -> None:
    keeper = await kept(house)
    version = concert.version
    for per_minute in (90, 0, 120):
        zone = await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=version, per_minute=per_minute
        )
        version = zone.version

        async def is_there(per_minute: int = per_minute) -> bool:
            return keeper.rules.per_minute == per_minute

        await eventually_async(is_there, every=0.005)
