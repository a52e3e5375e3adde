"""Redis, single or Cluster, behind one way of speaking: commands in, replies out, one round trip a node.

A store builds commands (plain tuples) and reads replies; it never sees a connection. `run` and `run_now` send a list of
commands as one pipeline a node, so the cost of a call does not grow with the number of streams it speaks of. A script
that Redis does not know (a restart, a failover, a new node) is loaded and only the refused commands are sent again.

Commands must be safe to repeat: after a lost connection nobody knows whether Redis did them.
"""

import asyncio
import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from redis import Redis, RedisCluster
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError
from redis.retry import Retry

from . import deeds
from .cluster_client import cluster_client, sync_cluster_client
from .lua import script_by_sha
from .metrics import REDIS_FAILURES

CLUSTER_SCHEME = "redis+cluster://"
# A hot path must learn soon that Redis is away: the sockets stay, the page says that its figures are old.
TIMEOUTS: dict[str, Any] = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}

Command = tuple[Any, ...]

_sync_clients: dict[str, Redis | RedisCluster] = {}
_replica_clients: dict[str, Redis] = {}  # by address
# By event loop, then by URL and lane.
_async_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Any]] = (
    weakref.WeakKeyDictionary()
)


def cluster_nodes(url: str) -> list[tuple[str, int]]:
    """Host and port of each start node in `redis+cluster://host:port,host:port`; ValueError if there is none."""
    nodes = []
    for address in url.removeprefix(CLUSTER_SCHEME).rstrip("/").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"a Cluster address is host:port, not {address!r}")
        nodes.append((host, int(port)))
    return nodes


# One more try, soon: a connection that idled may have been cut, and every command here is safe to repeat.
RETRIES = 1


def _backoff() -> ExponentialBackoff:
    return ExponentialBackoff(cap=0.2, base=0.02)


def sync_client() -> Redis | RedisCluster:
    """The process's client for code outside of an event loop (tasks, admin, views).

    RedisError if it would be a Cluster's, which is asked for its nodes here, and none of them answers.
    """
    url = settings.REDIS_URL
    if url not in _sync_clients:
        if url.startswith(CLUSTER_SCHEME):
            with _one_kind_of_away():
                _sync_clients[url] = sync_cluster_client(
                    cluster_nodes(url), retry=Retry(_backoff(), RETRIES), **TIMEOUTS
                )
        else:
            _sync_clients[url] = Redis.from_url(url, retry=Retry(_backoff(), RETRIES), **TIMEOUTS)
    return _sync_clients[url]


def replica_client(node: ClusterNode) -> Redis:
    """The process's client of one node of the Cluster."""
    if node.name not in _replica_clients:
        _replica_clients[node.name] = Redis(
            host=node.host, port=node.port, retry=Retry(_backoff(), RETRIES), **TIMEOUTS
        )
    return _replica_clients[node.name]


def async_client(lane: str = "") -> AsyncRedis | AsyncRedisCluster:
    """The running event loop's client; a Cluster is read from replicas and written on masters.

    A Cluster's client that cannot reach a node hangs up on all of them and asks anew which there are. So whoever must
    not be held up by what others ask of a node that is away has a client of their own, their `lane`: see `node_of`.
    """
    url = settings.REDIS_URL
    clients = _async_clients.setdefault(asyncio.get_running_loop(), {})
    key = (url, lane)
    if key not in clients:
        if url.startswith(CLUSTER_SCHEME):
            clients[key] = cluster_client(cluster_nodes(url), retry=AsyncRetry(_backoff(), RETRIES), **TIMEOUTS)
        else:
            clients[key] = AsyncRedis.from_url(url, retry=AsyncRetry(_backoff(), RETRIES), **TIMEOUTS)
    return clients[key]


def node_of(command: Command) -> str:
    """The Cluster node that this command goes to, "" on a single Redis or while the Cluster is not known.

    `run` waits for every node that it speaks to. Who must not be held up by one that is away runs a list a node, each
    in the lane of this name.
    """
    client = async_client()
    if isinstance(client, AsyncRedis):
        return ""
    slot = client.keyslot(command[3] if command[0] == "EVALSHA" else command[1])
    nodes = client.nodes_manager.slots_cache.get(slot)
    return nodes[0].name if nodes else ""


async def ping() -> None:
    """Ask Redis, one node of a Cluster, whether it answers. RedisError if it does not."""
    with _one_kind_of_away():
        await async_client().ping()


async def close_clients() -> None:
    """Close this event loop's clients and the process's own; the next call makes new ones."""
    for client in _async_clients.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()
    close_sync_clients()


def close_sync_clients() -> None:
    """Close the clients made by `sync_client` and `replica_client`."""
    for clients in (_sync_clients, _replica_clients):
        while clients:
            clients.popitem()[1].close()


def _refused(commands: Sequence[Command], replies: Sequence[Any]) -> list[int]:
    return [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]


def _forgotten_sources(commands: Sequence[Command], refused: list[int]) -> set[str]:
    return {script_by_sha(commands[index][1]).source for index in refused}


@contextlib.contextmanager
def _one_kind_of_away() -> Iterator[None]:
    """A Cluster without a reachable node is away, as a server that refuses is; the library's error is no RedisError."""
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error


async def run(commands: Sequence[Command], *, lane: str = "") -> list[Any]:
    """Send commands as one pipeline a node and return their replies in order. `lane`: see `async_client`.

    A reply may be a RedisError in its place: one stream's trouble must not fail the others. Raises RedisError when no
    reply was had at all (the connection is away).
    """
    if not commands:
        return []
    client = async_client(lane)
    replies = await _pipeline(client, commands)
    if refused := _refused(commands, replies):
        with _one_kind_of_away():
            for source in _forgotten_sources(commands, refused):
                await client.script_load(source)
        for index, reply in zip(refused, await _pipeline(client, [commands[i] for i in refused]), strict=True):
            replies[index] = reply
    return replies


async def _pipeline(client: AsyncRedis | AsyncRedisCluster, commands: Sequence[Command]) -> list[Any]:
    pipeline: Any = client.pipeline(transaction=False) if isinstance(client, AsyncRedis) else client.pipeline()
    for command in commands:
        pipeline.execute_command(*command)
    with _one_kind_of_away():
        return list(await pipeline.execute(raise_on_error=False))


def run_now(commands: Sequence[Command]) -> list[Any]:
    """`run` for code outside of an event loop."""
    if not commands:
        return []
    client = sync_client()
    replies = _pipeline_now(client, commands)
    if refused := _refused(commands, replies):
        with _one_kind_of_away():
            for source in _forgotten_sources(commands, refused):
                client.script_load(source)
        for index, reply in zip(refused, _pipeline_now(client, [commands[i] for i in refused]), strict=True):
            replies[index] = reply
    return replies


def ask_now(commands: Sequence[Command]) -> list[Any]:
    """`run_now` for who can do nothing with half an answer: RedisError if any command failed."""
    replies = run_now(commands)
    if error := first_error(replies):
        raise error
    return replies


@contextlib.contextmanager
def may_be_away(caller: str) -> Iterator[None]:
    """For reads that pages can do without: a call that fails within this block ends the block, and is counted."""
    try:
        yield
    except (RedisError, OSError):
        REDIS_FAILURES.labels(caller).inc()


def _pipeline_now(client: Redis | RedisCluster, commands: Sequence[Command]) -> list[Any]:
    pipeline: Any = client.pipeline(transaction=False) if isinstance(client, Redis) else client.pipeline()
    for command in commands:
        pipeline.execute_command(*command)
    with deeds.asked_once(deeds.REDIS), _one_kind_of_away():
        return list(pipeline.execute(raise_on_error=False))


def first_error(replies: Sequence[Any]) -> RedisError | None:
    """The first reply that is an error, if any; a Cluster's own errors come as RedisError, too."""
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    return error if error is None or isinstance(error, RedisError) else RedisConnectionError(str(error))
