"""The managers' live pages: who is let in, what they are sent, what it costs Redis, and when they are seen out."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from prometheus_client import REGISTRY

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_ban
from apps.waitingroom import services
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.manage import feed as feed_module
from apps.waitingroom.manage import reading
from apps.waitingroom.manage.feed import Feed, manage_feed, manage_feed_stop
from apps.waitingroom.manage.selectors import wall_now, zone_now
from apps.waitingroom.models import Role, Zone, ZoneManager
from apps.waitingroom.role_services import manager_remove, manager_set
from apps.waitingroom.statistics import statistics_write
from tests.services.both import on_both
from tests.services.waiting import eventually_async
from tests.waitingroom.managing import (
    PASSWORD,
    closing,
    commands,
    frame,
    frame_where,
    in_thread,
    line_tell,
    person,
    session_of,
    watching,
)
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest_asyncio.fixture
async def feed(async_redis_clients: None) -> AsyncIterator[Feed]:
    """This event loop's feed, stopped when the test ends."""
    yield manage_feed()
    await manage_feed_stop()


@pytest_asyncio.fixture
async def quick(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """The same, in a tenth of its time, for what does not depend on it."""
    monkeypatch.setattr(feed_module, "TICK_S", feed_module.TICK_S / 10)
    monkeypatch.setattr(reading, "ROLES_EVERY_S", reading.ROLES_EVERY_S / 10)
    monkeypatch.setattr(reading, "FACTS_EVERY_S", reading.FACTS_EVERY_S / 10)
    return feed


@pytest.fixture
def mina(transactional_db: None) -> User:
    return person("mina")


@pytest.fixture
def concert(transactional_db: None, redis_url: str) -> Zone:
    return zone_make(per_minute=60, app="shop")


@pytest.fixture
def hers(mina: User, concert: Zone) -> str:
    """Mina's session; she operates the concert."""
    manager_set(actor=None, user=mina, role=Role.OPERATOR, zone_id="concert")
    return session_of(mina)


def now_ms() -> int:
    return int(time.time() * 1_000)


def refusals(reason: str) -> float:
    labels = {"entrance": "socket", "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_manage_refused_total", labels) or 0.0


# --- being let in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["wall/", "zones/concert/"])
@pytest.mark.parametrize("session", ["", "nonsense"])
async def test_who_is_not_signed_in_is_not_let_in(quick: Feed, concert: Zone, path: str, session: str) -> None:
    async with watching(path, session) as one:
        assert await closing(one) == (4401, "signed_out")
    assert quick.seats() == []


@pytest.mark.parametrize(("zone_id", "reason"), [("other", "foreign"), ("nowhere", "unknown")])
async def test_anothers_zone_is_not_there(
    quick: Feed, hers: str, zone_id: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    await in_thread(zone_make, zone_id="other")
    before = refusals(reason)
    with caplog.at_level(logging.WARNING):
        async with watching(f"zones/{zone_id}/", hers) as one:
            assert await closing(one) == (4404, "unknown_zone")
    assert refusals(reason) == before + 1
    assert f"was refused zone '{zone_id}' at the socket: {reason}" in caplog.text
    assert quick.seats() == []


async def test_who_manages_nothing_has_no_wall(quick: Feed, concert: Zone, mina: User) -> None:
    session = await in_thread(session_of, user=mina)
    before = refusals("none")
    async with watching("wall/", session) as one:
        assert await closing(one) == (4403, "no_zones")
    assert refusals("none") == before + 1


@pytest.mark.parametrize("origin", [b"http://evil.example", None])
async def test_pages_of_other_sites_are_not_let_in(quick: Feed, hers: str, origin: bytes | None) -> None:
    with pytest.raises(AssertionError):
        async with watching("wall/", hers, origin=origin):
            pass
    assert quick.seats() == []


# --- what they are sent -------------------------------------------------------------------------------------------


@on_both
async def test_the_wall_shows_all_and_then_what_changed(quick: Feed, hers: str, mina: User) -> None:
    await in_thread(zone_make, zone_id="other", app="games")
    await in_thread(zone_make, zone_id="second", app="shop")
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    concert = await in_thread(Zone.objects.get, pk="concert")
    line_tell(concert, now_ms=now_ms(), waiting=70, entering=42, eta=65)
    async with watching("wall/", hers) as one:
        first = await frame(one)
        assert (first["type"], first["whole"], first["gates"], first["gone"]) == ("wall", True, 1, [])
        rows = {row["zone_id"]: row for row in first["rows"]}
        assert rows.keys() == {"concert", "second"}  # and not the other
        shown = await in_thread(wall_now, user=mina)
        assert {row.zone_id: row.waiting for row in shown} == {"concert": 70, "second": 0}
        assert [shown_row.zone_id for shown_row in shown] == ["concert", "second"]
        expected = {
            "waiting": 70,
            "entering_per_minute": 42,
            "longest_wait_s": 65,
            "health": "ok",
            "state": "waiting",
            "per_minute": 60,
            "mode": "open",
            "name": "Concert",
            "app": "shop",
            "version": concert.version,
        }
        assert rows["concert"].items() >= expected.items()
        line_tell(concert, now_ms=now_ms(), waiting=71, entering=42, eta=66)
        next_one = await frame_where(one, lambda told: told["rows"])
        assert (next_one["whole"], [row["waiting"] for row in next_one["rows"]]) == (False, [71])


@on_both
async def test_a_change_is_on_the_wall_within_a_second(feed: Feed, hers: str, concert: Zone, mina: User) -> None:
    await in_thread(zone_make, zone_id="second")
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    async with watching("wall/", hers) as one:
        await frame(one)
        await frame(one)
        began = time.monotonic()
        await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=concert.version, per_minute=90
        )
        told = await frame_where(one, lambda told: [row["per_minute"] for row in told["rows"]] == [90])
        assert time.monotonic() - began < 1.5  # by the next tick, or a moment after it
        await in_thread(services.zone_delete, zone_id="concert")
        told = await frame_where(one, lambda told: told["whole"])
        assert [row["zone_id"] for row in told["rows"]] == ["second"]


@on_both
async def test_a_zone_shows_its_line_its_past_and_its_gates(quick: Feed, hers: str, concert: Zone) -> None:
    await in_thread(crowd_join, zone=concert, count=70)
    await in_thread(
        services.zone_update,
        actor=None,
        zone_id="concert",
        expected_version=concert.version,
        message="Soon",
        why="busy",
    )
    line_tell(concert, now_ms=now_ms(), waiting=10, called=4, entering=60, eta=12)
    async with watching("zones/concert/", hers) as one:
        first = await frame(one)
        assert (first["type"], first["whole"], first["gates_alive"]) == ("zone", True, 1)
        expected = {"zone_id": "concert", "waiting": 10, "called": 4, "message": "Soon", "longest_wait_s": 12}
        assert first.items() >= expected.items()
        assert len(first["history"]) == 30
        assert (sum(minute["joins"] for minute in first["history"]), first["history"][-1]["minute"] % 60) == (70, 0)
        funnel = {name: count for name, count in first["funnel"].items() if name != "since_ms"}
        assert funnel == {"joined": 70, "entered": 60, "left": 0, "evicted": 0}
        assert first["waits"] == {"p50": 0, "p90": 0, "p99": 0}
        assert [(gate["gate"], gate["sockets"]) for gate in first["gates"]] == [("a1", 3)]
        assert [
            (told["action"], told["after"], told["why"], told["can_be_undone"]) for told in first["changes"][:1]
        ] == [("changed", {"message": "Soon"}, "busy", True)]
        detail = await in_thread(zone_now, zone_id="concert")
        shown = asdict(detail.row) | asdict(detail.past) | {"message": detail.message, "called": detail.called}
        assert {name: first[name] for name in shown} == shown  # the page itself begins with the same
        line_tell(concert, now_ms=now_ms(), waiting=11, called=4, entering=60, eta=13)
        told = await frame_where(one, lambda told: told["waiting"] == 11)
        assert told["whole"] is False
        assert not told.keys() & {"history", "funnel", "waits", "changes"}  # they have not changed
        now = await in_thread(Zone.objects.get, pk="concert")
        paused = await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=now.version, mode="paused"
        )
        told = await frame_where(one, lambda told: told["version"] == paused.version)
        assert (told["mode"], told["changes"][0]["after"]) == ("paused", {"mode": "paused"})  # what, and who, at once


async def test_what_counts_are_read_of_is_the_day_and_what_redis_still_holds(
    quick: Feed, hers: str, concert: Zone
) -> None:
    await in_thread(crowd_join, zone=concert, count=70)
    closed = (int(time.time()) // 60 + 1) * 60 + 10
    await in_thread(statistics_write, now=datetime.fromtimestamp(closed, tz=UTC))
    await in_thread(crowd_join, zone=concert, count=5, batch=2)  # in a minute that is written already, or in the next
    detail = await in_thread(zone_now, zone_id="concert")
    assert detail.past.funnel.joined in (70, 75)
    assert sum(minute.entries for minute in detail.past.history) == detail.past.funnel.entered == 60


async def test_a_page_that_does_not_read_is_sent_everything_when_it_does(quick: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)
        (seat,) = quick.seats()

        class Slow:
            is_slow = True

        outbox, seat.outbox = seat.outbox, Slow()  # type: ignore[assignment]
        await quick.tick()
        assert seat.is_greeted is False
        seat.outbox = outbox
        assert (await frame_where(one, lambda told: told["rows"]))["whole"] is True


# --- what it costs ------------------------------------------------------------------------------------------------


async def cost(feed: Feed, ticks: int) -> Counter[str]:
    """What so many ticks cost Redis; made by hand, so that it is exact."""
    before = commands()
    for _ in range(ticks):
        await feed.tick()
        await feed.reading.settle()
    return commands() - before


@pytest_asyncio.fixture
async def by_hand(async_redis_clients: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feed]:
    """This event loop's feed, which ticks when it is told to."""

    async def never(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "_run", never)
    yield manage_feed()
    await manage_feed_stop()


async def seated(feed: Feed, count: int) -> bool:
    """Whether so many pages are open: a socket is accepted before its session is looked at."""
    return len(feed.seats()) == count


@on_both
@pytest.mark.parametrize("path", ["wall/", "zones/concert/"])
async def test_fifty_who_watch_cost_redis_what_one_does(by_hand: Feed, hers: str, concert: Zone, path: str) -> None:
    line_tell(concert, now_ms=now_ms(), waiting=70)
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
    line_tell(first, now_ms=now_ms(), waiting=1)
    async with watching("wall/", session) as one:
        await eventually_async(lambda: seated(by_hand, 1))
        await cost(by_hand, 2)
        alone = await cost(by_hand, 10)
        rows = [Zone(zone_id=f"z{number}", name=f"Zone {number}", app=f"app{number % 20}") for number in range(1, 500)]
        await in_thread(Zone.objects.bulk_create, objs=rows)
        for zone in rows:
            line_tell(zone, now_ms=now_ms() + 60_000, waiting=50, entering=30, eta=9)
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
            line_tell(zone, now_ms=now_ms(), waiting=number)
            await watchers.enter_async_context(watching(f"zones/z{number}/", session))
        await eventually_async(lambda: seated(by_hand, 20))
        ticks = 10
        assert (await cost(by_hand, ticks)).total() / ticks < 10


async def test_nobody_who_watches_costs_nothing(feed: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)
    await asyncio.sleep(1.1)  # the tick that was under way
    before = commands()
    await asyncio.sleep(1.1)
    assert commands() == before


# --- being seen out -----------------------------------------------------------------------------------------------


@on_both
@pytest.mark.parametrize(("path", "code"), [("wall/", 4403), ("zones/concert/", 4403)])
async def test_who_loses_the_role_is_seen_out_at_once(feed: Feed, hers: str, path: str, code: int) -> None:
    async with watching(path, hers) as one:
        await frame(one)
        manager = await in_thread(ZoneManager.objects.get)
        began = time.monotonic()
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await closing(one) == (code, "role_removed")
        assert time.monotonic() - began < 1.5
    assert feed.seats() == []


async def test_who_is_banned_is_seen_out_at_once(feed: Feed, hers: str, mina: User) -> None:
    operator = await in_thread(operator_ensure, username="operator", password="a long enough pass")
    async with watching("wall/", hers) as one:
        await frame(one)
        began = time.monotonic()
        await in_thread(user_ban, actor=operator, user=mina, until=None)
        assert await closing(one) == (4401, "signed_out")
        assert time.monotonic() - began < 1.5
    assert feed.seats() == []


def test_a_page_looks_again_at_least_every_five_seconds() -> None:
    assert reading.ROLES_EVERY_S + feed_module.TICK_S <= 5


@pytest.mark.parametrize("how", ["role", "account", "password", "session"])
async def test_what_nobody_told_of_is_noticed_by_itself(quick: Feed, hers: str, mina: User, how: str) -> None:
    """Changed in the database without the services: a page finds out by itself."""

    def change() -> None:
        if how == "role":
            ZoneManager.objects.all().delete()
        elif how == "account":
            User.objects.filter(pk=mina.pk).update(is_active=False)
        elif how == "password":
            mina.set_password("another long pass")
            mina.save()
        else:
            Session.objects.filter(session_key=hers).delete()

    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(change)
        expected = (4403, "role_removed") if how == "role" else (4401, "signed_out")
        assert await closing(one) == expected


async def test_who_loses_one_of_two_zones_keeps_the_other(quick: Feed, hers: str, mina: User) -> None:
    await in_thread(zone_make, zone_id="second")
    manager = await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    async with (
        watching("wall/", hers) as wall,
        watching("zones/second/", hers) as page,
        watching("zones/concert/", hers),
    ):
        assert len((await frame(wall))["rows"]) == 2
        await frame(page)
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await closing(page) == (4403, "role_removed")
        told = await frame_where(wall, lambda told: told["whole"])
        assert [row["zone_id"] for row in told["rows"]] == ["concert"]


async def test_another_role_is_told_to_the_open_page(quick: Feed, hers: str, mina: User) -> None:
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
        told = await frame_where(one, lambda told: told["type"] == "role")
        assert told == {"type": "role", "role": 1}


async def test_staff_who_may_look_have_the_role_that_they_are_given(quick: Feed, hers: str, mina: User) -> None:
    def look_at_all() -> None:
        User.objects.filter(pk=mina.pk).update(is_staff=True)
        mina.user_permissions.add(Permission.objects.get(codename="view_zone"))

    await in_thread(look_at_all)
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        manager = await in_thread(manager_set, actor=None, user=mina, role=Role.OWNER, zone_id="concert")
        assert await frame_where(one, lambda told: told["type"] == "role") == {"type": "role", "role": 3}
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await frame_where(one, lambda told: told["type"] == "role") == {"type": "role", "role": 1}


async def test_a_role_that_has_just_been_given_is_not_taken_for_a_removed_one(
    quick: Feed, hers: str, mina: User
) -> None:
    async with watching("wall/", hers) as wall:
        await frame(wall)
        await frame(wall)
        await in_thread(zone_make, zone_id="second")
        await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
        async with watching("zones/second/", hers) as page:
            for _ in range(3):
                assert (await frame(page))["zone_id"] == "second"


async def test_a_zone_that_goes_closes_its_pages(quick: Feed, hers: str) -> None:
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(services.zone_delete, zone_id="concert")
        code, reason = await closing(one)
        assert (code, reason) in ((4404, "unknown_zone"), (4403, "role_removed"))


# --- when something is away ---------------------------------------------------------------------------------------


async def test_redis_that_is_away_is_said_once_and_all_is_sent_when_it_is_back(
    quick: Feed, private_redis: Any, use_redis: Any, transactional_db: None, mina: User
) -> None:
    use_redis(private_redis.url)
    zone = await in_thread(zone_make)
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
    session = await in_thread(session_of, user=mina)
    line_tell(zone, now_ms=now_ms(), waiting=3)
    async with watching("wall/", session) as one:
        assert (await frame(one))["rows"][0]["waiting"] == 3
        private_redis.stop()
        told = await frame_where(one, lambda told: told["type"] == "stale", within=8)
        assert abs(told["since"] - now_ms()) < 10_000
        private_redis.start()
        told = await frame_where(one, lambda told: told["type"] == "wall" and told["whole"], within=8)
        assert [row["zone_id"] for row in told["rows"]] == ["concert"]


async def test_a_server_that_leaves_asks_its_pages_to_come_back(quick: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)
        await quick.drain(asyncio.get_running_loop().time() + 5)
        assert (await frame_where(one, lambda told: told["type"] == "reconnect"))["within_ms"] == 5_000
        assert (await closing(one))[0] == 1012


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
async def test_a_change_of_n_is_at_the_gates_within_a_second(house: Gatehouse, concert: Zone) -> None:
    keeper = await kept(house)
    version, slowest = concert.version, 0.0
    for per_minute in (90, 0, 120):
        began = time.monotonic()
        zone = await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=version, per_minute=per_minute
        )
        version = zone.version

        async def is_there(per_minute: int = per_minute) -> bool:
            return keeper.rules.per_minute == per_minute

        await eventually_async(is_there, deadline=1.0, every=0.005)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0
