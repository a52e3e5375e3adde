"""Reading from replicas: they answer while they follow, and their masters when not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import RedisCluster as Client
from redis.cluster import ClusterNode
from redis.exceptions import RedisError, ResponseError

from apps.realtime import redis, replicas
from apps.realtime.redis import run_now, sync_client
from apps.realtime.replicas import read_now
from tests.services.process import free_port
from tests.services.redis_cluster import RedisCluster, replicas_wait
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually

NUMBERS = range(60)
READ: list[redis.Command] = [("GET", f"k:{{{number}}}") for number in NUMBERS]
EXPECTED = [str(number).encode() for number in NUMBERS]


def knows_replicas() -> bool:
    """Whether a new client is told of a replica for every slot: a Cluster that has just begun may not know them all."""
    redis.close_sync_clients()
    client = sync_client()
    assert isinstance(client, Client)
    return all(len(nodes) == 2 for nodes in client.nodes_manager.slots_cache.values())


@pytest.fixture
def cluster(redis_cluster: RedisCluster, use_redis: Callable[[str], str]) -> Iterator[RedisCluster]:
    use_redis(redis_cluster.url)
    eventually(knows_replicas, deadline=20, every=0.2)
    run_now([("SET", f"k:{{{number}}}", number) for number in NUMBERS])
    replicas_wait()
    replicas._asked.clear()
    yield redis_cluster
    replicas._asked.clear()


def gets(servers: list[RedisServer]) -> int:
    """How many GETs these servers have answered or refused."""
    count = 0
    for server in servers:
        with server.client() as client:
            stats: Any = client.info("commandstats").get("cmdstat_get", {"calls": 0, "rejected_calls": 0})
            count += stats["calls"] + stats["rejected_calls"]
    return count


@pytest.mark.cluster
def test_replicas_answer_and_masters_are_spared(cluster: RedisCluster) -> None:
    masters, followers = cluster.masters(), cluster.replicas()
    before = gets(masters), gets(followers)
    assert read_now(READ) == EXPECTED
    assert (gets(masters) - before[0], gets(followers) - before[1]) == (0, 60)
    assert run_now(READ) == EXPECTED
    assert (gets(masters) - before[0], gets(followers) - before[1]) == (60, 60)


@pytest.mark.cluster
def test_a_replica_that_lost_its_master_is_not_read_from(cluster: RedisCluster) -> None:
    """It goes on answering with what it had when the link broke."""
    (cut_off, *_) = cluster.replicas()
    with cut_off.client() as client:
        master_port = client.info("replication")["master_port"]
        client.config_set("masterauth", "wrong")  # no matter while the link holds; it cannot be made anew
        (master,) = (node for node in cluster.masters() if node.port == master_port)
        with master.client() as its_master:
            its_master.config_set("requirepass", "secret")
        try:
            client.execute_command("CLIENT", "KILL", "TYPE", "master")
            eventually(lambda: client.info("replication")["master_link_status"] == "down", deadline=10)
            assert replicas._is_usable(ClusterNode("127.0.0.1", cut_off.port)) is False
        finally:
            with master.client(password="secret") as its_master:
                its_master.config_set("requirepass", "")
            client.config_set("masterauth", "")
            eventually(lambda: client.info("replication")["master_link_status"] == "up", deadline=20)


@pytest.mark.cluster
def test_a_replica_that_hangs_costs_one_wait_and_no_answer(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(redis.TIMEOUTS, "socket_timeout", 0.2)
    (hanging, *_) = cluster.replicas()
    assert read_now(READ) == EXPECTED
    redis.close_sync_clients()
    run_now(READ[:1])  # a client that knows the Cluster, before it changes
    hanging.pause()
    try:
        assert read_now(READ) == EXPECTED
        assert replicas._asked[f"127.0.0.1:{hanging.port}"][1] is False
        before = replicas._asked[f"127.0.0.1:{hanging.port}"][0]
        assert read_now(READ) == EXPECTED
        assert replicas._asked[f"127.0.0.1:{hanging.port}"][0] == before  # it was not asked again
    finally:
        hanging.resume()


@pytest.mark.cluster
def test_what_a_replica_refuses_its_master_does(cluster: RedisCluster) -> None:
    """A write is sent on, and an error comes back in its place alone."""
    replies = read_now([("SET", "k:{1}", "new"), ("GET", "k:{2}"), ("LLEN", "k:{3}")])
    assert replies[:2] == [True, b"2"]
    assert isinstance(replies[2], ResponseError)
    assert run_now([("GET", "k:{1}")]) == [b"new"]


def test_a_single_redis_answers_itself(redis_server: RedisServer) -> None:
    assert not isinstance(sync_client(), Client)
    run_now([("SET", "a", 1)])
    assert (read_now([("GET", "a")]), read_now([])) == ([b"1"], [])


def test_a_cluster_that_is_away_is_redis_trouble(use_redis: Callable[[str], str]) -> None:
    """The library's own error for it is none of Redis's, which is what callers look for."""
    use_redis(f"redis+cluster://127.0.0.1:{free_port()}")
    with pytest.raises(RedisError):
        read_now(READ)
