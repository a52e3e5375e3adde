"""A real Redis Cluster: six servers, three masters with a replica each."""

import shutil
import subprocess
from pathlib import Path

from redis.exceptions import RedisError

from .process import ProcessFailed, find_program, free_port
from .redis_server import RedisServer
from .waiting import eventually

NODES = 6
MASTERS = 3
SLOTS = 16_384
# Long enough that a busy machine does not look like a dead node.
NODE_TIMEOUT_MS = 5_000


class RedisCluster:
    """`nodes` are the six servers, in no promised role: ask `masters()` and `replicas()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[RedisServer] = []

    @property
    def url(self) -> str:
        """REDIS_URL of the cluster, with the first three nodes to start from."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:MASTERS])

    def start(self) -> "RedisCluster":
        """Start six servers, join them, and wait until every one of them says that the cluster is well."""
        options = (
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--repl-diskless-sync-delay", "0"),  # six empty servers need not wait five seconds for company
        )
        for index in range(NODES):
            node = RedisServer(self.folder / str(index), port=free_port(with_bus=True), options=options)
            self.nodes.append(node.start())
        self._join()
        eventually(self.is_ok, deadline=60, every=0.1, not_yet=(RedisError, AssertionError))
        return self

    def _join(self) -> None:
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
        joined = subprocess.run(
            [find_program("redis-cli"), "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=90,
        )
        if joined.returncode != 0:
            raise ProcessFailed(f"redis-cli --cluster create ended with {joined.returncode}\n{joined.stdout[-4000:]}")

    def is_ok(self) -> bool:
        """Every node sees all slots served by six known nodes, and every replica follows its master."""
        for node in self.nodes:
            with node.client(decode_responses=True) as client:
                info = client.execute_command("CLUSTER INFO")
                if (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"]) != (
                    "ok",
                    str(SLOTS),
                    str(NODES),
                ):
                    return False
                replication = client.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
        return len(self.masters()) == MASTERS

    def agree_on(self, slot: int) -> bool:
        """Every node says the same of who has this slot, and by which epoch.

        Without the epoch a node that was told who has it would be taken to know. A master that gets a slot raises its
        epoch above all that it has heard of: one that has not heard of the last owner's stays below, and loses the slot
        to it again when it does, while the other, which gave it away, does not take it. Nobody has it from then on.
        """
        said = []
        for node in self.nodes:
            with node.client(decode_responses=True) as client:
                said += [
                    (known["node_id"], known["epoch"])
                    for known in client.execute_command("CLUSTER NODES").values()
                    if any(int(part[0]) <= slot <= int(part[-1]) for part in known["slots"])
                ]
        return len(said) == len(self.nodes) and len(set(said)) == 1

    def _by_role(self, role: str) -> list[RedisServer]:
        found = []
        for node in self.nodes:
            if node.is_running:
                with node.client() as client:
                    if client.info("replication")["role"] == role:
                        found.append(node)
        return found

    def masters(self) -> list[RedisServer]:
        """The running nodes that are masters now."""
        return self._by_role("master")

    def replicas(self) -> list[RedisServer]:
        """The running nodes that are replicas now."""
        return self._by_role("slave")

    def flush(self) -> None:
        """Forget all keys, on the replicas too before this returns: tests read from them."""
        for node in self.masters():
            with node.client() as client:
                client.flushall()
                client.wait(1, 5_000)

    def remove(self) -> None:
        """Stop all nodes and delete their folders."""
        for node in self.nodes:
            node.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def replicas_wait() -> None:
    """Until the replicas of the Cluster that this test uses have all that their masters have; at once without one."""
    from redis import RedisCluster as Client

    from apps.realtime.redis import replica_client, sync_client

    client = sync_client()
    if isinstance(client, Client):
        masters = {node.port: replica_client(node).info("replication") for node in client.get_primaries()}

        def is_level() -> bool:
            replicas = [replica_client(node).info("replication") for node in client.get_replicas()]
            return all(
                one["slave_repl_offset"] >= masters[one["master_port"]]["master_repl_offset"] for one in replicas
            )

        eventually(is_level, deadline=10)
