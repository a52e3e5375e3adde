"""A Cluster moves a zone's slot from one master to another, key by key, while people come and go."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.exceptions import AskError, RedisError, TryAgainError

from apps.realtime import redis
from apps.realtime.redis import Command, sync_client
from apps.waitingroom import store
from tests.services.redis_cluster import RedisCluster
from tests.services.waiting import eventually

from .line_stage import NOON, Line

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.parametrize("redis_url", [pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True),
]


@dataclass
class Move:
    """One slot on its way from its master to another."""

    cluster: RedisCluster
    slot: int
    source: Any  # clients of the two masters themselves
    target: Any
    target_address: tuple[str, int]
    source_id: str
    target_id: str

    def begin(self) -> None:
        self.target.execute_command("CLUSTER SETSLOT", self.slot, "IMPORTING", self.source_id)
        self.source.execute_command("CLUSTER SETSLOT", self.slot, "MIGRATING", self.target_id)

    def carry(self, *keys: str) -> None:
        """Move these keys, or all that are left."""
        names = keys or self.source.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 1_000)
        for key in names:
            self.source.execute_command("MIGRATE", *self.target_address, key, 0, 5_000)

    def end(self) -> None:
        self.carry()
        for node in (self.target, self.source):
            self.tell(node)
        eventually(lambda: self.cluster.agree_on(self.slot), deadline=20)

    def tell(self, node: Any) -> None:
        """This node learns that the slot is the target's."""
        node.execute_command("CLUSTER SETSLOT", self.slot, "NODE", self.target_id)


def move_of(cluster: RedisCluster, line: Line) -> Move:
    """To the next master from the one that has the line."""
    client: Any = sync_client()
    slot = client.keyslot(line.key(""))
    source = client.get_node_from_key(line.key(""))
    target = next(node for node in client.get_primaries() if node.name != source.name)
    clients = [client.get_redis_connection(node) for node in (source, target)]
    ids = [each.execute_command("CLUSTER MYID").decode() for each in clients]
    return Move(cluster, slot, clients[0], clients[1], (target.host, target.port), ids[0], ids[1])


@pytest.fixture
def line(redis_url: str) -> Line:
    """A zone that lets in a hundred a minute; two are inside."""
    line = Line("moving").open(per_minute=100)
    assert line.join(2).entered == 2
    return line


@pytest.fixture
def move(redis_cluster: RedisCluster, line: Line) -> Iterator[Move]:
    """The slot's move, begun; it is ended, if the test did not, and all is brought back."""
    there = move_of(redis_cluster, line)
    there.begin()
    yield there
    there.end()
    back = Move(
        redis_cluster, there.slot, there.target, there.source, _address(there.source), there.target_id, there.source_id
    )
    back.begin()
    back.end()


def _address(client: Any) -> tuple[str, int]:
    about = client.connection_pool.connection_kwargs
    return about["host"], about["port"]


def counted(client: Any, line: Line) -> tuple[int, int]:
    """Entries of the minute by the log, and by the head."""
    log = sum(int(entry.rpartition(b":")[2]) for entry in client.lrange(line.key("log"), 0, -1))
    return log, int(client.hget(line.key(""), "log_total"))


def test_a_script_that_declares_one_key_stops_half_way(line: Line, move: Move) -> None:
    """Why there is a second: the log has entries that the head has not, and later too many enter."""
    move.carry(line.key("passes:1:0"))
    joins = store.join(zone_id="moving", epoch=1, server="one", batch=2, count=90, now_ms=NOON)
    name, sha, _count, head, _whole, *args = joins
    reply = redis.run_now([(name, sha, 1, head, *args)])[0]
    assert isinstance(reply, Exception)
    assert counted(move.source, line) == (92, 2)


STEPS: list[Callable[[Line], Command]] = [
    lambda line: store.join(zone_id="moving", epoch=1, server="one", batch=9, count=90, now_ms=NOON),
    lambda line: store.pulse(zone_id="moving", epoch=1, seen=(0, b"\xff"), now_ms=NOON + 9_000),
    lambda line: store.claim(zone_id="moving", epoch=1, places=[(0, 0), (2, 0)], now_ms=NOON + 9_000),
    lambda line: store.leave(zone_id="moving", epoch=1, places=[2], now_ms=NOON + 9_000),
    lambda line: store.evict(zone_id="moving", now_ms=NOON + 9_000),
    lambda line: store.publish(line.rules, now_ms=NOON + 9_000),
    lambda line: store.restore(rules=line.rules, known=None, presented=(0, b"\xff"), now_ms=NOON + 9_000),
    lambda line: store.redeem(zone_id="moving", place=0, issued_ms=NOON, pass_s=600, now_ms=NOON + 9_000),
]


def contents(move: Move) -> list[dict[bytes, bytes]]:
    """Every key of the slot, as each of the two masters has it."""
    found = []
    for node in (move.source, move.target):
        dump = node.pipeline(transaction=False)
        names = node.execute_command("CLUSTER GETKEYSINSLOT", move.slot, 1_000)
        for name in names:
            dump.execute_command("ASKING").execute_command("DUMP", name)
        found.append(dict(zip(names, dump.execute()[1::2], strict=True)))
    return found


@pytest.mark.parametrize("moved", [["passes:1:0"], ["log", "windows"], ["", "rules"], ["waiting", "entered", "rules"]])
def test_a_line_between_two_masters_is_not_touched(line: Line, move: Move, moved: list[str]) -> None:
    move.carry(*(line.key(name) for name in moved))
    before = contents(move)
    for step in STEPS:
        command = step(line)
        with pytest.raises((AskError, TryAgainError)):
            move.source.execute_command(*command)
        asked = move.target.pipeline(transaction=False).execute_command("ASKING").execute_command(*command)
        assert isinstance(asked.execute(raise_on_error=False)[1], TryAgainError)
    assert contents(move) == before


def test_a_line_goes_on_once_it_has_moved(line: Line, move: Move) -> None:
    move.carry(line.key("log"))
    with pytest.raises(RedisError):
        line.join(90, batch=7)
    move.end()
    # Another process of Redis speaks, which may lack what the first one did last: the minute is taken for full.
    joined = line.join(90, batch=7)
    assert (joined.first, joined.entered, joined.minute_used) == (2 + 1_048_576, 0, 100)
    assert counted(move.target, line) == (100, 100)
    line.at = 60_020
    line.pulse(range(joined.first, joined.first + 90))
    assert line.claim(joined.first) == [line.now_ms]


async def test_two_masters_that_name_each_other_are_trouble_of_that_zone_alone(line: Line, move: Move) -> None:
    """If the one that gives is told first that a move has ended, nobody has the slot until the other is told, too."""
    others = [Line(f"other-{number}").open() for number in range(6)]
    asked = [store.pulse(zone_id=each.zone_id, epoch=1, seen=None, now_ms=NOON) for each in (line, *others)]
    move.carry()
    move.tell(move.source)
    for replies in (redis.run_now(asked), await redis.run(asked)):
        assert isinstance(replies[0], RedisError)  # as of a Redis that is away: asked again with the next call
        assert [store.pulse_read(reply).status for reply in replies[1:]] == ["ok"] * 6
    move.end()
    for replies in (redis.run_now(asked), await redis.run(asked)):
        assert [store.pulse_read(reply).status for reply in replies] == ["ok"] * 7
