"""A master of the Redis Cluster dies while a line stands: its replica may lack the last moments."""

import time
from collections.abc import Callable

import pytest

from apps.waitingroom.gatehouse import CALL_TIMEOUT_S
from apps.waitingroom.rules import Mode
from tests.audience.faults.house import off_loop
from tests.services.redis_cluster import NODE_TIMEOUT_MS, RedisCluster
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from ..gate import zone_open
from .crowd import Crowd

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


async def test_nobody_enters_beyond_n_when_a_master_is_killed(
    own_cluster: RedisCluster, gate: Callable[..., WebServer], crowd: Callable[..., Crowd]
) -> None:
    for zone_id in ("concert", "other", "third", "fourth"):
        zone_open(zone_id=zone_id, mode=Mode.QUEUE_ALL, per_minute=600)
    servers = [gate(), gate()]
    people = crowd("concert", *servers)
    visitors = await people.come(400)
    people.live(visitors)

    async def inside(count: int) -> bool:
        return len(people.inside) >= count

    await eventually_async(lambda: inside(70), deadline=15)
    port = port_of(own_cluster, "concert")
    zones_spared = [zone for zone in ("other", "third", "fourth") if port_of(own_cluster, zone) != port]
    await off_loop(next(node for node in own_cluster.nodes if node.port == port).kill)
    killed_at = time.monotonic()
    entered = len(people.inside)
    # Zones of the other masters do not notice, however many ask in vain for those of the dead one. They would later:
    # masters answer nobody from when they all hold one of them dead until its replica speaks for it.
    elsewhere = crowd(zones_spared[0], *servers)
    while (asked_at := time.monotonic()) < killed_at + NODE_TIMEOUT_MS / 1_000 - 2:
        await elsewhere.come(4)
        assert time.monotonic() - asked_at < CALL_TIMEOUT_S
    await eventually_async(lambda: inside(entered + 20), deadline=45)
    print(f"the line went on {time.monotonic() - killed_at:.1f} s after its master died")
    await people.end()
    people.check(600)
    assert {each.place for each in people.inside} <= {each.place for each in visitors}
    newcomers = await people.come(10)
    assert min(each.place for each in newcomers) > max(each.place for each in visitors)  # lost places are not given


def port_of(cluster: RedisCluster, zone_id: str) -> int:
    """The port of the master that holds this zone."""
    node = next(each for each in cluster.nodes if each.is_running)
    with node.client(decode_responses=True) as client:
        slot = int(client.execute_command("CLUSTER KEYSLOT", f"line:{{{zone_id}}}"))
        for first, last, (_, port, *_rest), *_replicas in client.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return int(port)
    raise AssertionError(f"nobody has slot {slot}")
