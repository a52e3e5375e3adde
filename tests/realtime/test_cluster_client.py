"""A Cluster some of whose nodes are away: who asks the others is not held up."""

import asyncio
from typing import Any

import pytest
from redis import Redis
from redis.asyncio.cluster import ClusterNode
from redis.cluster import ClusterNode as SyncClusterNode
from redis.exceptions import RedisError

from apps.audience import store
from apps.realtime.cluster_client import CommandsOfAnyNode, cluster_client
from apps.realtime.redis import async_client, cluster_nodes, node_of, run, run_now, sync_client
from tests.services.process import free_port
from tests.services.waiting import eventually_async

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.parametrize("redis_url", ["cluster"], indirect=True),
]


async def test_where_keys_stand_is_asked_of_any_node_once(redis_url: str) -> None:
    client = cluster_client(cluster_nodes(redis_url))
    try:
        commands, away = CommandsOfAnyNode(client), ClusterNode("127.0.0.1", free_port())
        with pytest.raises(RedisError):  # no node is known yet
            await commands.initialize(away)
        await client.initialize()
        await commands.initialize(away)
        assert list(await commands.get_keys("MGET", "a", "b") or ()) == ["a", "b"]
        known = commands.commands
        await commands.initialize(away)
        assert commands.commands is known
    finally:
        await client.aclose()


@pytest.mark.parametrize(("lane", "replies"), [("", None), ("other", [None])], ids=["same lane", "other lane"])
async def test_a_client_that_hangs_up_does_so_in_its_lane(
    redis_url: str, async_redis_clients: None, lane: str, replies: list[None] | None
) -> None:
    await run([("GET", "queue")])
    command = ("BLPOP", "queue", 1)
    asked = asyncio.create_task(run([command], lane=lane))
    host, _, port = node_of(command).rpartition(":")
    with Redis(host=host, port=int(port)) as node:

        async def is_asked() -> bool:
            return bool(node.info("clients")["blocked_clients"])

        await eventually_async(is_asked)
    await async_client().aclose()  # as it does when it cannot reach a node
    answered = await asked
    if replies is None:
        assert isinstance(answered[0], RedisError)
    else:
        assert answered == replies


def test_scripts_are_sent_to_the_others_while_the_first_node_is_away(redis_url: str) -> None:
    client: Any = sync_client()
    away = free_port()
    with Redis(host="127.0.0.1", port=away) as nobody:
        client.nodes_manager.default_node = SyncClusterNode("127.0.0.1", away, redis_connection=nobody)
        replies = run_now([store.audit(stream_id) for stream_id in range(20)])  # of all three masters
    assert [reply for reply in replies if isinstance(reply, Exception)] == []


def test_a_script_costs_no_question_where_its_keys_are(redis_url: str) -> None:
    client: Any = sync_client()

    def asked() -> int:
        stats = [client.get_redis_connection(node).info("commandstats") for node in client.get_nodes()]
        return sum(each.get("cmdstat_command|getkeys", {"calls": 0})["calls"] for each in stats)

    before = asked()
    run_now([store.audit(stream_id) for stream_id in range(20)])
    assert asked() == before
