"""Reading from a Cluster's replicas what is much and may be a moment old: masters have what only they can do.

A replica is used while it says that it follows its master. What no replica answers, the masters do. A single Redis
answers everything itself.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from redis import Redis, RedisCluster
from redis.cluster import ClusterNode
from redis.exceptions import RedisError

from .redis import Command, replica_client, run_now, sync_client

# How long a replica is taken to be as it was when it was last asked.
TRUSTED_S = 30.0
# A replica that has not heard of its master for longer has old figures.
SILENCE_TOLERATED_S = 15

_asked: dict[str, tuple[float, bool]] = {}  # address -> (until when this holds, whether it may be read from)


def read_now(commands: Sequence[Command]) -> list[Any]:
    """`run_now` for commands that only read, and whose first argument is their key."""
    if not commands:
        return []
    client = sync_client()
    if isinstance(client, Redis):
        return run_now(commands)
    by_node: defaultdict[str, list[int]] = defaultdict(list)
    nodes: dict[str, ClusterNode] = {}
    rest: list[int] = []
    for index, command in enumerate(commands):
        node = _replica_of(client, client.keyslot(command[1]))
        if node is None:
            rest.append(index)
        else:
            nodes[node.name] = node
            by_node[node.name].append(index)
    replies: list[Any] = [None] * len(commands)
    for name, indexes in by_node.items():
        try:
            answers = _pipeline(nodes[name], [commands[index] for index in indexes])
        except (RedisError, OSError):
            _asked[name] = (time.monotonic() + TRUSTED_S, False)
            answers = None
        # Also what it refuses: slots move, and the masters' client finds out where to.
        if answers is None or any(isinstance(answer, Exception) for answer in answers):
            rest += indexes
            continue
        for index, answer in zip(indexes, answers, strict=True):
            replies[index] = answer
    for index, answer in zip(rest, run_now([commands[index] for index in rest]), strict=True):
        replies[index] = answer
    return replies


def _replica_of(client: RedisCluster, slot: int) -> ClusterNode | None:
    """A replica of this slot that may be read from, always the same one; None if there is none."""
    usable = [node for node in client.nodes_manager.slots_cache.get(slot, [])[1:] if _is_usable(node)]
    return usable[slot % len(usable)] if usable else None


def _is_usable(node: ClusterNode) -> bool:
    now = time.monotonic()
    until, answer = _asked.get(node.name, (0.0, False))
    if now >= until:
        try:
            said = replica_client(node).info("replication")
        except (RedisError, OSError):
            answer = False
        else:
            answer = (
                said["role"] == "slave"
                and said["master_link_status"] == "up"
                and said["master_last_io_seconds_ago"] <= SILENCE_TOLERATED_S
            )
        _asked[node.name] = (now + TRUSTED_S, answer)
    return answer


def _pipeline(node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
    pipeline: Any = replica_client(node).pipeline(transaction=False)
    pipeline.execute_command("READONLY")  # of the connection; a replica sends everybody else to its master
    for command in commands:
        pipeline.execute_command(*command)
    return list(pipeline.execute(raise_on_error=False))[1:]
