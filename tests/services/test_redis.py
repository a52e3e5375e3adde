"""The Redis parts really are what they claim to be."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.realtime.redis import async_client, sync_client
from tests.services.redis_cluster import MASTERS, SLOTS, RedisCluster
from tests.services.redis_server import RedisServer


def test_every_test_begins_with_an_empty_redis_first(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_every_test_begins_with_an_empty_redis_second(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        assert client.dbsize() == 0


def test_redis_is_version_7(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        info = client.info("server")
    assert info["redis_version"].startswith("7.")
    assert info["redis_mode"] == "standalone"


def test_restart_with_and_without_data(private_redis: RedisServer) -> None:
    with private_redis.client() as client:
        client.set("viewers", "7")
    private_redis.restart(keep=True)
    with private_redis.client() as client:
        assert client.get("viewers") == b"7"
    private_redis.restart(keep=False)
    with private_redis.client() as client:
        assert client.dbsize() == 0


def test_kill_loses_the_data_and_refuses_connections(private_redis: RedisServer) -> None:
    with private_redis.client(retry=None) as client:
        client.set("viewers", "7")
        private_redis.kill()
        assert not private_redis.is_running
        with pytest.raises(RedisConnectionError):
            client.get("viewers")
    private_redis.start()
    with private_redis.client() as client:
        assert client.get("viewers") is None


def test_a_paused_server_does_not_answer_until_it_is_resumed(private_redis: RedisServer) -> None:
    with private_redis.client() as client, private_redis.client(socket_timeout=0.2, retry=None) as hasty:
        client.set("viewers", "7")
        private_redis.pause()
        with pytest.raises(RedisTimeoutError):
            hasty.get("viewers")
        private_redis.resume()
        assert client.get("viewers") == b"7"


def test_a_private_server_is_not_the_shared_one(private_redis: RedisServer, redis_server: RedisServer) -> None:
    assert private_redis.port != redis_server.port
    assert private_redis.pid != redis_server.pid


@pytest.mark.cluster
def test_the_cluster_is_in_cluster_mode_and_complete(redis_cluster: RedisCluster) -> None:
    masters, replicas = redis_cluster.masters(), redis_cluster.replicas()
    assert (len(masters), len(replicas)) == (MASTERS, 3)
    for node in redis_cluster.nodes:
        with node.client() as client:
            assert client.info("server")["redis_mode"] == "cluster"
            assert client.execute_command("CLUSTER INFO")["cluster_slots_ok"] == str(SLOTS)
    answers = []
    for node in masters:
        with node.client() as client:
            try:
                answers.append(client.set("view:{1}:current", 1))
            except MovedError as error:
                answers.append(error.slot_id)
    # One master owns the slot, the two others say which slot it is.
    assert sorted(answers) == [True, 9842, 9842]


@pytest.mark.cluster
@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
def test_our_clients_speak_to_the_chosen_redis(redis_url: str) -> None:
    assert sync_client().dbsize() == 0
    for stream in range(50):
        sync_client().set(f"view:{{{stream}}}:current", stream)
    assert [sync_client().get(f"view:{{{stream}}}:current") for stream in range(50)] == [
        str(stream).encode() for stream in range(50)
    ]
    assert redis_url.startswith("redis+cluster://") == (type(sync_client()).__name__ == "RedisCluster")


@pytest.mark.cluster
@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
async def test_our_coroutine_clients_speak_to_the_chosen_redis(redis_url: str) -> None:
    await async_client().set("view:{1}:current", 3)
    assert await async_client().get("view:{1}:current") in (b"3", None)  # a replica may not have it yet
    assert redis_url.startswith("redis+cluster://") == (type(async_client()).__name__ == "RedisCluster")
