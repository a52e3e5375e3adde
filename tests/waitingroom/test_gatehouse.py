"""All zones of one gate process: how it follows what people change, batches what it tells Redis, and sleeps."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio
from redis import Redis
from redis.exceptions import MovedError

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.catalogue import Catalogue
from apps.waitingroom.redis_clock import RedisClock
from apps.waitingroom.replies import catalog_look_read
from apps.waitingroom.rules import Mode, ZoneRules
from tests.services.redis_cluster import RedisCluster
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually, eventually_async

from .gate import CONCERT, line_of, zone_change, zone_open
from .gates import Gate, ask, claimed_places, ticket
from .line_stage import both


@pytest_asyncio.fixture
async def running(redis_url: str) -> AsyncIterator[Gate]:
    """A gate whose loops run."""
    gate = Gate()
    gate.house.start()
    yield gate
    await gate.house.stop()


class Heard:
    """A catalogue, and what it said."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int]] = []
        self.drops: list[str] = []
        self.catalogue = Catalogue(
            lambda rules: self.changes.append((rules.zone_id, rules.version)),
            lambda zone_id: self.drops.append(zone_id),
        )


class TestCatalogue:
    """Which zones there are."""

    @both
    async def test_zones_come_change_and_go(self, redis_url: str) -> None:
        heard = Heard()
        await heard.catalogue.look()
        assert (heard.catalogue.is_read, heard.changes) == (True, [])
        first = zone_open()
        zone_open(zone_id="other", version=9)
        await heard.catalogue.look()
        assert sorted(heard.changes) == [("concert", 1), ("other", 9)]
        zone_change(first, per_minute=7)
        await heard.catalogue.look()
        await heard.catalogue.look()
        assert heard.changes[2:] == [("concert", 2)]
        assert heard.catalogue.rules["concert"].per_minute == 7
        redis.run_now(store.catalog_drop("other"))
        await heard.catalogue.look()
        assert heard.drops == []  # at the second look
        await heard.catalogue.look()
        assert (heard.drops, set(heard.catalogue.rules)) == (["other"], {"concert"})

    async def test_what_ended_behind_a_zone_is_heard_of_although_the_rules_have_the_same_version(
        self, redis_url: str
    ) -> None:
        heard = Heard()
        rules = zone_open()
        await heard.catalogue.look()
        ended = dataclasses.replace(rules, over=("/live/7/",))
        redis.run_now([store.publish(ended), *store.catalog_put(ended)])
        await heard.catalogue.look()
        await heard.catalogue.look(again=True)
        assert heard.changes == [("concert", 1), ("concert", 1)]
        assert heard.catalogue.rules["concert"].over == ("/live/7/",)

    async def test_rules_never_go_back(self, redis_url: str) -> None:
        heard = Heard()
        zone_open(version=5)
        await heard.catalogue.look()
        redis.run_now(store.catalog_put(dataclasses.replace(CONCERT, version=4, per_minute=1)))
        await heard.catalogue.look()
        assert (heard.changes, heard.catalogue.rules["concert"].per_minute) == ([("concert", 5)], 60)

    @both
    def test_the_catalogue_never_goes_back(self, redis_url: str) -> None:
        older, newer = (dataclasses.replace(CONCERT, version=version) for version in (7, 8))
        told = [redis.run_now(store.catalog_put(rules)) for rules in (newer, older, newer)]
        assert told == [[1], [0], [0]]
        assert self.listed(None) == (1, {"concert": newer.to_json().encode()})
        assert self.listed(1) == (1, None)
        redis.run_now([("HSET", store.CATALOG, "concert", "no rules")])
        assert redis.run_now(store.catalog_put(older)) == [1]
        assert self.listed(1) == (2, {"concert": older.to_json().encode()})

    def listed(self, known: int | None) -> tuple[int, dict[str, bytes] | None]:
        """What a gate reads that has seen this number."""
        return catalog_look_read(redis.run_now([store.catalog_look(known)])[0])

    async def test_rules_that_cannot_be_used_leave_the_old_ones(self, redis_url: str) -> None:
        heard = Heard()
        zone_open()
        await heard.catalogue.look()
        broken = CONCERT.to_json().replace('"per_minute":60', '"per_minute":-1')
        redis.run_now([("HSET", store.CATALOG, "concert", broken), ("HSET", store.CATALOG, "b", CONCERT.to_json())])
        await heard.catalogue.look(again=True)
        await heard.catalogue.look(again=True)
        assert (heard.changes, heard.drops, set(heard.catalogue.rules)) == ([("concert", 1)], [], {"concert"})

    @both
    async def test_a_redis_that_forgot_is_told_again(self, redis_url: str) -> None:
        heard, started_later = Heard(), Heard()
        rules = [zone_open(zone_id=f"zone-{number}", version=number + 3) for number in range(4)]
        await heard.catalogue.look()
        for zone in rules:
            redis.run_now([("DEL", f"line:{{{zone.zone_id}}}:rules")])
        redis.run_now([("DEL", store.CATALOG), ("DEL", store.VERSION)])
        await heard.catalogue.look()
        assert redis.run_now([("GET", store.VERSION)]) == [None]  # a new master that lags looks the same
        await heard.catalogue.look()
        assert (heard.drops, len(heard.changes)) == ([], 4)
        assert redis.run_now([("HGET", f"line:{{{zone.zone_id}}}:rules", "version") for zone in rules]) == [
            *(b"3", b"4", b"5", b"6")
        ]
        await started_later.catalogue.look()
        assert started_later.catalogue.rules == {zone.zone_id: zone for zone in rules}

    @pytest.mark.cluster
    @pytest.mark.parametrize("redis_url", ["cluster"], indirect=True)
    async def test_a_replica_that_lags_hides_no_change(self, redis_url: str, redis_cluster: RedisCluster) -> None:
        eventually(lambda: self.knows_replicas(redis_cluster), deadline=20, every=0.1)
        heard = Heard()
        rules = zone_open()
        await heard.catalogue.look()
        await heard.catalogue.look()
        with ExitStack() as stack:
            replicas = [stack.enter_context(node.client()) for node in redis_cluster.replicas()]
            for replica in replicas:
                replica.execute_command("CLIENT PAUSE", 30_000, "WRITE")  # they take nothing from their masters
            zone_change(rules, per_minute=7)
            try:
                lagging = [self.per_minute_at(replica) for replica in replicas]
                for _ in range(4):
                    await heard.catalogue.look()
            finally:
                for replica in replicas:
                    replica.execute_command("CLIENT UNPAUSE")
            assert lagging.count(60) == 1  # the only one that has the catalogue has the old one

            async def is_told() -> bool:
                return 7 in map(self.per_minute_at, replicas)

            await eventually_async(is_told, deadline=5, every=0.02)
        for _ in range(4):
            await heard.catalogue.look()
        assert heard.changes == [("concert", 1), ("concert", 2)]

    def knows_replicas(self, cluster: RedisCluster) -> bool:
        """Whether every node tells clients of a replica for each part of the keys, a while after it began."""
        for node in cluster.nodes:
            with node.client() as client:
                if any(len(part) < 4 for part in client.execute_command("CLUSTER SLOTS")):
                    return False
        return True

    def per_minute_at(self, replica: Redis) -> int:
        """N of the zone as this replica has it; 0 if it has no catalogue."""
        replica.execute_command("READONLY")
        try:
            listed: Any = replica.hgetall(store.CATALOG)
        except MovedError:
            return 0
        return ZoneRules.from_json(listed[b"concert"]).per_minute if listed else 0

    async def test_zones_that_are_put_back_one_by_one_are_not_dropped_meanwhile(self, redis_url: str) -> None:
        heard = Heard()
        zone_open()
        other = zone_open(zone_id="other")
        await heard.catalogue.look()
        redis.run_now([("HDEL", store.CATALOG, "other"), ("INCR", store.VERSION)])  # wiped, and one is back
        await heard.catalogue.look()
        redis.run_now(store.catalog_put(other))
        await heard.catalogue.look()
        await heard.catalogue.look()
        assert (heard.drops, len(heard.changes)) == ([], 2)


async def test_changes_are_followed_within_a_second(running: Gate) -> None:
    assert await running.house.wait_ready(5)
    started = running.ticks()
    rules = zone_open(mode=Mode.PAUSED)

    async def has_zone() -> bool:
        return running.house.zone("concert") is not None

    await eventually_async(has_zone, deadline=1.0, every=0.01)
    keeper = running.house.zone("concert")
    assert keeper is not None
    outcome = await keeper.join("client")
    assert outcome.state == "paused"
    zone_change(rules, mode=Mode.OPEN)

    async def enters() -> bool:
        return (await ask(keeper, ticket(outcome))).can_enter

    await eventually_async(enters, deadline=1.5, every=0.25)
    assert running.ticks() - started < 4
    redis.run_now(store.catalog_drop("concert"))

    async def is_gone() -> bool:
        return running.house.zone("concert") is None

    await eventually_async(is_gone, deadline=1.5, every=0.01)


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

    async def has_read() -> bool:
        keeper = running.house.zone("concert")
        if keeper is None:
            return False
        keeper.touch()
        snapshot = keeper.snapshot
        if snapshot is not None and (not moments or snapshot.now_ms != moments[-1]):
            moments.append(snapshot.now_ms)
        return len(moments) == 4

    await eventually_async(has_read, deadline=6, every=0.005)
    on_time = [moment % 1_000 for moment in moments[1:]]
    assert all(running.house.phase_ms - 21 <= each < running.house.phase_ms + 200 for each in on_time), on_time
    assert moments[3] - moments[1] == pytest.approx(2_000, abs=200)


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


class TestRedisClock:
    """What time it is where the line is."""

    def test_this_machines_own_time_does_not_matter(self) -> None:
        for ticks in (0.0, 1e6, -500.0):
            clock = RedisClock(lambda ticks=ticks: ticks)  # type: ignore[misc]
            assert not clock.is_known
            clock.heard(1_772_334_000_000)
            assert (clock.is_known, clock.now_ms(), clock.at(ticks + 2.5)) == (
                *(True, 1_772_334_000_000, 1_772_334_002_500),
            )
            assert clock.ticks_at(1_772_334_001_000) == pytest.approx(ticks + 1, abs=1e-3)

    def test_the_least_delayed_reply_is_believed(self) -> None:
        now = 100.0
        clock = RedisClock(lambda: now)
        clock.heard(1_000_000)
        now = 101.0
        clock.heard(1_000_700)  # came 300 ms late
        assert clock.now_ms() == 1_000_999  # a little is forgotten, for clocks drift
        now = 102.0
        clock.heard(1_002_100)  # the first one was late, too
        assert clock.now_ms() == 1_002_100

    def test_a_clock_that_was_set_back_is_followed(self) -> None:
        now = 100.0
        clock = RedisClock(lambda: now)
        clock.heard(1_000_000)
        now = 101.0
        clock.heard(995_000)
        assert clock.now_ms() == 995_000
