"""All zones of one gate process: how it batches what it tells Redis, sleeps, and leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.rules import Mode
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async

from .gate import line_of, zone_change, zone_open
from .gates import Gate, ask, claimed_places, ticket


@pytest_asyncio.fixture
async def running(redis_url: str) -> AsyncIterator[Gate]:
    """A gate whose loops run."""
    gate = Gate()
    gate.house.start()
    yield gate
    await gate.house.stop()


async def test_changes_are_followed(running: Gate) -> None:
    assert await running.house.wait_ready(5)
    rules = zone_open(mode=Mode.PAUSED)

    async def has_zone() -> bool:
        return running.house.zone("concert") is not None

    await eventually_async(has_zone, every=0.01)
    keeper = running.house.zone("concert")
    assert keeper is not None
    outcome = await keeper.join("client")
    assert outcome.state == "paused"
    zone_change(rules, mode=Mode.OPEN)

    async def enters() -> bool:
        return (await ask(keeper, ticket(outcome))).can_enter

    await eventually_async(enters, every=0.25)
    redis.run_now(store.catalog_drop("concert"))

    async def is_gone() -> bool:
        return running.house.zone("concert") is None

    await eventually_async(is_gone, every=0.01)


async def test_a_crowd_is_one_call(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL)
    gate = Gate()
    keeper = await gate.zone()
    waiting = [keeper.desk.join() for _ in range(2_500)]
    sizes = []
    while not all(future.done() for future in waiting):
        for command, taken in list(keeper.calls()):
            sizes.append(command[-1])
            assert list(keeper.calls()) == []  # one batch at a time: Redis remembers one
            taken((await redis.run([command]))[0])
    assert sizes == [1_000, 1_000, 500]
    assert [future.result().place for future in waiting] == list(range(2_500))  # first come, first served
    for place in range(1_200):
        keeper.desk.claim(place, 0)
    calls = [claimed_places(command) for command, _ in keeper.calls()]
    assert calls == [[*range(500)], [*range(500, 1_000)], [*range(1_000, 1_200)]]


async def test_who_was_heard_of_is_told(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    claims = [ticket(each) for each in await gate.join(keeper, 20)]
    await gate.house.tell_all()
    redis.sync_client().delete(*redis.sync_client().keys("line:{concert}:seen:*"))
    for each in claims[5:8]:
        assert keeper.poll_now(each) is not None
    await gate.house.tell_all()
    [key] = redis.sync_client().keys("line:{concert}:seen:*")
    assert redis.sync_client().get(key) == bytes([0b00000111])


async def test_who_was_heard_of_while_redis_was_away_is_told_later(
    redis_url: str, private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    claims = [ticket(each) for each in await gate.join(keeper, 8)]
    await gate.house.tell_all()
    private_redis.stop(keep=True)
    for each in claims[6:]:
        keeper.poll_now(each)
    await gate.house.tell_all()
    await gate.house.tell_all()
    private_redis.start()
    redis.sync_client().delete(*redis.sync_client().keys("line:{concert}:seen:*"))
    await gate.house.tell_all()
    [key] = redis.sync_client().keys("line:{concert}:seen:*")
    assert redis.sync_client().get(key) == bytes([0b00000011])


async def test_an_idle_zone_sleeps_and_wakes(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    claims = ticket((await gate.join(keeper))[0])
    gate.ticks.ahead += 121
    await gate.house.tell_all()
    keeper.sleep_if_idle()
    assert keeper.is_awake  # somebody waits
    leaving = asyncio.create_task(keeper.leave(claims))
    await asyncio.sleep(0)
    await gate.house.tell_all()
    assert await leaving
    await gate.house.tell_all()
    keeper.sleep_if_idle()
    assert keeper.is_awake  # somebody was here a moment ago
    gate.ticks.ahead += 121
    keeper.sockets = 1
    keeper.sleep_if_idle()
    assert keeper.is_awake
    keeper.sockets = 0
    keeper.sleep_if_idle()
    assert (keeper.is_awake, keeper.snapshot) == (False, None)
    redis_calls = redis.sync_client().info("commandstats")["cmdstat_evalsha"]["calls"]
    await gate.house.tell_all()
    assert redis.sync_client().info("commandstats")["cmdstat_evalsha"]["calls"] == redis_calls
    assert [each.rank for each in await gate.join(keeper, 2)] == [1, 2]
    assert keeper.is_awake


async def test_pulses_come_just_after_whole_seconds_of_redis(running: Gate) -> None:
    zone_open()
    moments: list[int] = []

    async def keeps_time() -> bool:
        keeper = running.house.zone("concert")
        if keeper is None:
            return False
        keeper.touch()
        snapshot = keeper.snapshot
        if snapshot is not None and (not moments or snapshot.now_ms != moments[-1]):
            moments.append(snapshot.now_ms)
        last, phase_ms = moments[-3:], running.house.phase_ms
        assert len(last) == 3
        assert all(phase_ms - 21 <= moment % 1_000 < phase_ms + 200 for moment in last), last
        assert last[2] - last[0] == pytest.approx(2_000, abs=200)
        return True

    await eventually_async(keeps_time, deadline=20, every=0.005)  # a busy machine is late now and then


async def test_a_draining_gate_tells_all_it_knows(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate, other = Gate(), Gate()
    keeper = await gate.zone()
    claims = ticket((await gate.join(keeper, 2))[1])
    redis.sync_client().delete(*redis.sync_client().keys("line:{concert}:seen:*"))
    keeper.poll_now(claims)
    joining = asyncio.create_task(keeper.join("client"))
    await asyncio.sleep(0)
    await gate.house.drain(asyncio.get_running_loop().time() + 5)
    assert (await joining).place == 2
    assert redis.sync_client().keys("line:{concert}:seen:*") != []
    assert (await ask(await other.zone(), claims)).rank == 2
    assert (await line_of()).waiting == 3


async def test_one_zone_that_fails_leaves_the_others_alone(redis_url: str) -> None:
    zone_open(zone_id="bad")
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    await gate.house.catalogue.look()
    bad, good = await gate.zone("bad"), await gate.zone()
    redis.sync_client().delete("line:{bad}:windows")
    redis.sync_client().set("line:{bad}:windows", "not a hash")
    failing = asyncio.create_task(bad.join("client"))
    assert [each.rank for each in await gate.join(good, 3)] == [1, 2, 3]
    assert not failing.done()
    redis.sync_client().delete("line:{bad}:windows")
    await gate.house.tell_all()
    assert (await failing).can_enter
