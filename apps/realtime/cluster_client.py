"""A Cluster's clients, with an event loop and without, which no single node that is away keeps from the others."""

from collections.abc import Sequence
from typing import Any

from redis import RedisCluster as SyncRedisCluster
from redis._parsers import AsyncCommandsParser, CommandsParser
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.cluster import ClusterNode as SyncClusterNode
from redis.cluster import LoadBalancingStrategy
from redis.exceptions import ClusterError, RedisError


class CommandsOfAnyNode(AsyncCommandsParser):
    """Where keys stand in commands, asked once, of any node.

    The library asks the first master of its list each time that it looks for the Cluster's nodes anew, which it does
    whenever it cannot reach one of them: while just that master is down, none of the others would be spoken to.
    """

    __slots__ = ("_cluster",)

    def __init__(self, cluster: RedisCluster) -> None:
        super().__init__()
        self._cluster = cluster

    async def initialize(self, node: ClusterNode | None = None) -> None:
        """Learn them, from `node` if it answers. RedisError if none does."""
        if node is not None:
            self.node = node  # asked for the keys of commands that have them anywhere
        if self.commands:
            return  # all nodes of a Cluster say the same
        failed: RedisError = ClusterError("the Cluster has no nodes")
        for each in sorted(self._cluster.get_nodes(), key=lambda each: each is not node):
            try:
                await super().initialize(each)
                return
            except RedisError as error:
                failed = error
        raise failed


def cluster_client(nodes: Sequence[tuple[str, int]], **options: Any) -> RedisCluster:
    """A client that reads from replicas and writes on masters, and begins with these nodes (host, port)."""
    client = RedisCluster(
        startup_nodes=[ClusterNode(*node) for node in nodes],
        load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN,
        **options,
    )
    client.commands_parser = CommandsOfAnyNode(client)
    return client


class KeysOfScripts(CommandsParser):
    """Where keys stand in commands; those of a script's call are read from the call.

    The library's pipeline asks one node, always the same, for the keys of each such call. That is a round trip for
    each, and while that node is down none of the others is spoken to; nor would the library look for another one.
    """

    def __init__(self, known: CommandsParser) -> None:
        # All that `known` has learnt from the Cluster, which is not asked again.
        self.commands = known.commands
        self.redis_connection = known.redis_connection

    def get_keys(self, redis_conn: Any, *args: Any) -> Any:
        """The keys of this command, None or empty if it has none."""
        if args[0] in ("EVALSHA", "EVAL"):
            return list(args[3 : 3 + int(args[2])])
        return super().get_keys(redis_conn, *args)


def sync_cluster_client(nodes: Sequence[tuple[str, int]], **options: Any) -> SyncRedisCluster:
    """A client without an event loop that begins with these nodes. RedisClusterException if none of them answers."""
    client = SyncRedisCluster(startup_nodes=[SyncClusterNode(*node) for node in nodes], **options)
    client.commands_parser = KeysOfScripts(client.commands_parser)
    return client
