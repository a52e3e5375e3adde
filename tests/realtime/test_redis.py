"""Commands in, replies out: in order, each in its place, with forgotten scripts told again, on both kinds of Redis."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from apps.audience import store
from apps.realtime.lua import script_by_sha
from apps.realtime.redis import (
    Command,
    async_client,
    close_clients,
    cluster_nodes,
    first_error,
    run,
    run_now,
    sync_client,
)
from tests.services.both import on_both
from tests.services.process import free_port
from tests.services.redis_server import RedisServer

Run = Callable[[Sequence[Command]], list[Any]]

both = on_both


def run_on_a_loop(commands: Sequence[Command]) -> list[Any]:
    """`run` on an event loop of its own, for tests that do the same to both entrances."""

    async def once() -> list[Any]:
        try:
            return await run(commands)
        finally:
            await close_clients()

    return asyncio.run(once())


either = pytest.mark.parametrize("run_either", [run_now, run_on_a_loop], ids=["run_now", "run"])


@both
@either
def test_replies_come_in_the_order_of_the_commands_over_all_slots(redis_url: str, run_either: Run) -> None:
    commands: list[Command] = []
    for number in range(200):
        commands += [("SET", f"k:{{{number}}}", number), ("INCRBY", f"k:{{{number}}}", 1000)]
    assert run_either(commands) == [reply for number in range(200) for reply in (True, number + 1000)]
    assert run_now([("GETDEL", f"k:{{{number}}}") for number in range(200)]) == [
        str(number + 1000).encode() for number in range(200)
    ]


@both
@either
def test_a_failing_command_fails_in_its_place_alone(redis_url: str, run_either: Run) -> None:
    replies = run_either(
        [
            ("SET", "a:{1}", "x"),
            ("INCRBY", "a:{1}", 1),
            ("SET", "b:{2}", "y"),
            ("LPUSH", "b:{2}", 1),
            ("SET", "c:{3}", 1),
        ]
    )
    assert [type(reply) for reply in replies] == [bool, ResponseError, bool, ResponseError, bool]
    assert first_error(replies) is replies[1]
    assert run_now([("GET", f"{key}") for key in ("a:{1}", "b:{2}", "c:{3}")]) == [b"x", b"y", b"1"]


@both
@either
def test_no_command_is_no_call(redis_url: str, run_either: Run) -> None:
    assert run_either([]) == []
    assert first_error([]) is None


@both
@either
def test_a_forgotten_script_is_loaded_and_only_its_calls_are_sent_again(redis_url: str, run_either: Run) -> None:
    sync_client().script_flush()
    ends = [store.end(stream_id=number, day="20260301", ended_ms=1) for number in range(1, 20)]
    commands = [command for end in ends for command in (("INCRBY", "told:{0}", 1), end)]
    replies = run_either(commands)
    assert replies[1::2] == [[0] * 5] * 19
    assert replies[::2] == list(range(1, 20))  # none of the others was repeated
    assert run_now([("GET", f"view:{{{number}}}:state") for number in range(1, 20)]) == [b"ended"] * 19


@both
@either
def test_two_scripts_forgotten_at_once_are_both_loaded(redis_url: str, run_either: Run) -> None:
    sync_client().script_flush()
    replies = run_either([store.audit(1), store.end(stream_id=2, day="20260301", ended_ms=1), store.audit(3)])
    assert replies == [[0, 0, 0, 0, 0, 0, [], []], [0] * 5, [0, 0, 0, 0, 0, 0, [], []]]


def test_a_script_that_is_not_ours_cannot_be_told_again() -> None:
    with pytest.raises(KeyError):
        script_by_sha("0" * 40)


@either
def test_a_server_that_is_away_raises_and_is_found_again(
    private_redis: RedisServer, use_redis: Callable[[str], str], run_either: Run
) -> None:
    use_redis(private_redis.url)
    assert run_either([("SET", "k", 1)]) == [True]
    private_redis.stop()
    with pytest.raises(RedisError):
        run_either([("GET", "k")])
    private_redis.start()
    assert run_either([("GET", "k")]) == [None]


@either
def test_a_cluster_without_a_reachable_node_raises_a_redis_error(
    use_redis: Callable[[str], str], run_either: Run
) -> None:
    use_redis(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}")
    with pytest.raises(RedisError):
        run_either([("GET", "k")])


@either
def test_a_server_that_is_no_cluster_raises_a_redis_error(
    redis_server: RedisServer, use_redis: Callable[[str], str], run_either: Run
) -> None:
    use_redis(f"redis+cluster://127.0.0.1:{redis_server.port}")
    with pytest.raises(RedisError):
        run_either([("GET", "k")])


def test_cluster_addresses_are_read() -> None:
    assert cluster_nodes("redis+cluster://a:1,b.example:7000,[::1]:2/") == [("a", 1), ("b.example", 7000), ("[::1]", 2)]


@pytest.mark.parametrize("address", ["", "host", "host:", ":6379", "a:1,", "a:1,b:x", "redis://a:1/0"])
def test_a_bad_cluster_address_is_refused(address: str, use_redis: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="a Cluster address is host:port"):
        cluster_nodes(f"redis+cluster://{address}")
    use_redis(f"redis+cluster://{address}")
    with pytest.raises(ValueError, match="a Cluster address is host:port"):
        run_now([("GET", "k")])


@both
async def test_one_client_a_loop_is_kept_until_it_is_closed(redis_url: str) -> None:
    first = async_client()
    assert async_client() is first
    await close_clients()
    assert async_client() is not first


@both
def test_one_client_a_process_is_kept(redis_url: str) -> None:
    assert sync_client() is sync_client()
