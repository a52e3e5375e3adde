"""A Cluster's client for an event loop, which any node that answers can tell what it needs to know."""

from collections.abc import Sequence
from typing import Any

from redis._parsers import AsyncCommandsParser
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode
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
