"""Which zones there are: how a gate follows what people make, change and take away."""

import dataclasses
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import MovedError

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.catalogue import Catalogue
from apps.waitingroom.replies import catalog_look_read
from apps.waitingroom.rules import ZoneRules
from tests.services.redis_cluster import RedisCluster
from tests.services.waiting import eventually, eventually_async

from .gate import CONCERT, zone_change, zone_open
from .line_stage import both


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

            await eventually_async(is_told, every=0.02)
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
