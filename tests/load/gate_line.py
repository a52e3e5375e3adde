"""gate-line: 1,000,000 people in one zone, and what that costs Redis (`--connections` says how many).

They are put in line by the commands that a gate sends, and heard of as if they polled other gates, so that they stay.
Two thousand virtual users behind them poll one gate process at the same rate with 10,000 and with all of them waiting:
commands a second must not grow. Then each kind of call is timed by Redis itself (SLOWLOG), and at last everybody in a
second line falls silent at once, by a clock that is told and not waited for, and is taken out in one pass.

`redis_commands_per_second` counts as Redis does, commands inside scripts included; `longest_call_ms` is the slowest
single call of the whole run, filling included.

What it cannot prove: a Redis that serves other things, too, or one that copies itself to disk meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import Redis

from .figures import percentile
from .gate_measure import measured, stretch_figures
from .house import House
from .scenario import Options, Result, Scenario, say
from .virtual_users import VirtualUsers

ZONE, SILENT = "load-line", "load-silent"
FEW = 10_000
USERS, PERIOD_S, CONNECTIONS = 2_000, 3.0, 32
PER_MINUTE = 60
HEARD_EVERY_S = 5.0  # every slot of ten seconds is written
SETTLE_S = 3.0
TIMES = 20
SLOWLOG_LONGEST = 100_000

if TYPE_CHECKING:
    from apps.realtime.redis import Command


def run(house: House, options: Options) -> Result:
    """Few, many, the calls one by one, and the exodus."""
    from apps.realtime.redis import close_sync_clients
    from apps.waitingroom.rules import Mode, ZoneRules

    house.zone_publish(ZoneRules(zone_id=ZONE, name="Load", per_minute=PER_MINUTE, mode=Mode.QUEUE_ALL, message=""))
    redis = house.redis.client()
    redis.config_set("slowlog-max-len", SLOWLOG_LONGEST)
    redis.config_set("slowlog-log-slower-than", 500)
    line = Line(ZONE)
    few = min(FEW, options.connections // 2)
    with (
        VirtualUsers(house.address, zone=ZONE, number=USERS, connections=CONNECTIONS, period_s=PERIOD_S) as users,
        _heard(line),
    ):
        line.fill(few)
        users.ramp(USERS, PERIOD_S)
        users.go_on(SETTLE_S)
        at_few = stretch_figures(*measured(house, users, options.seconds))
        say(f"{line.last:,} wait: {at_few['redis_commands_per_second']:,} commands a second")
        line.fill(options.connections - few)
        users.go_on(SETTLE_S)
        at_many = stretch_figures(*measured(house, users, options.seconds))
        waiting = line.waiting()
        say(f"{waiting:,} wait: {at_many['redis_commands_per_second']:,} commands a second")
        memory = sum(
            int(redis.memory_usage(key, samples=0) or 0)
            for key in redis.scan_iter(match=f"line:{{{ZONE}}}*", count=1_000)
        )
        errors = sum(users.errors.values())

    # The gate goes: what is timed now is each call alone.
    house.web.stop()
    timed = {
        "pulse": _timed(redis, line.pulse_known),
        "snapshot": _timed(redis, line.pulse_all),
        "join_of_1000": _timed(redis, lambda: line.fill(1_000)),
        "claim_of_500": _timed(redis, line.claim),
        "evict": _timed(redis, line.evict),
    }
    silent = Line(SILENT)
    exodus_ms, evicted = _exodus(redis, silent, options.connections)
    slowest = _slowest(redis)
    redis.close()
    close_sync_clients()

    ratio = at_many["redis_commands_per_second"] / at_few["redis_commands_per_second"]
    figures = {
        "waiting": waiting,
        "bytes_per_waiter": round(memory / waiting, 3),
        "commands_ratio": round(ratio, 3),
        "redis_commands_per_second": at_many["redis_commands_per_second"],
        f"with_{few}_waiting": at_few,
        "with_all_waiting": at_many,
        "evict_ms": timed["evict"]["max_ms"],
        "snapshot_ms": timed["snapshot"]["max_ms"],
        "pulse_ms": timed["pulse"]["max_ms"],
        "calls": timed,
        "exodus_evict_ms": exodus_ms,
        "exodus_evicted": evicted,
        "longest_call_ms": slowest[0]["ms"] if slowest else 0.0,
        "slowest": slowest,
        "errors": errors,
    }
    return Result(
        figures,
        goals={
            "bytes_per_waiter": ("at_most", 2),
            "evict_ms": ("at_most", 5),
            "exodus_evict_ms": ("at_most", 5),
            "longest_call_ms": ("at_most", 5),
            "commands_ratio": ("at_most", 1.1),
            "errors": ("at_most", 0),
        },
    )


@dataclass(slots=True)
class Line:
    """A line that this process fills, as a gate would. Times are Redis's own unless they are told."""

    zone_id: str
    last: int = 0  # people put in line
    rev: int = -1
    _batch: int = 0

    def fill(self, people: int, now_ms: int | None = None) -> None:
        """Put so many more in line."""
        from apps.waitingroom import store
        from apps.waitingroom.replies import join_read

        for done in range(0, people, store.JOINS_PER_CALL):
            self._batch += 1
            count = min(store.JOINS_PER_CALL, people - done)
            (reply,) = _do(
                store.join(zone_id=self.zone_id, epoch=1, server="load", batch=self._batch, count=count, now_ms=now_ms)
            )
            if join_read(reply).status != "ok":
                raise RuntimeError(f"the line answers {reply!r}")
            self.last += count

    def heard(self) -> None:
        """Everybody here is heard of."""
        self._pulse((0, b"\xff" * (self.last // 8)), -1)

    def pulse_known(self) -> None:
        """A pulse of a gate that has the line's bits already, with all that it heard of."""
        self._pulse((0, b"\xff" * (self.last // 8)), self.rev)

    def pulse_all(self) -> None:
        """A pulse that reads the whole line."""
        self._pulse(None, -1)

    def claim(self) -> None:
        """500 people ask to enter."""
        from apps.waitingroom import store

        places = [(place, 1_000) for place in range(store.CLAIMS_PER_CALL)]
        _do(store.claim(zone_id=self.zone_id, epoch=1, places=places))

    def evict(self, now_ms: int | None = None) -> int:
        """A pass of the eviction job; how many it took out."""
        from apps.waitingroom import store
        from apps.waitingroom.replies import evict_read

        (reply,) = _do(store.evict(zone_id=self.zone_id, now_ms=now_ms))
        return evict_read(reply).evicted

    def waiting(self) -> int:
        """People in line."""
        from apps.waitingroom import store
        from apps.waitingroom.replies import status_read

        (reply,) = _do(store.status(self.zone_id))
        status = status_read(reply)
        return 0 if status is None else status.waiting

    def pulse(self, now_ms: int) -> None:
        """A pulse that heard of nobody."""
        self._pulse(None, self.rev, now_ms)

    def _pulse(self, seen: tuple[int, bytes] | None, known_rev: int, now_ms: int | None = None) -> None:
        from apps.waitingroom import store
        from apps.waitingroom.replies import pulse_read

        (reply,) = _do(store.pulse(zone_id=self.zone_id, epoch=1, seen=seen, known_rev=known_rev, now_ms=now_ms))
        self.rev = pulse_read(reply).rev


def _do(*commands: "Command") -> list[Any]:
    from apps.realtime.redis import first_error, run_now

    replies = run_now(commands)
    if (error := first_error(replies)) is not None:
        raise error
    return replies


@contextmanager
def _heard(line: Line) -> Iterator[None]:
    """Meanwhile everybody who was put in line is heard of, as if they polled other gates."""
    over = threading.Event()

    def say_so() -> None:
        while not over.wait(HEARD_EVERY_S):
            line.heard()

    thread = threading.Thread(target=say_so)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _timed(redis: Redis, call: Callable[[], object]) -> dict[str, float]:
    """Redis's own time of one kind of call, several times over."""
    before = redis.slowlog_get(1)
    redis.config_set("slowlog-log-slower-than", 0)
    for _ in range(TIMES):
        call()
    redis.config_set("slowlog-log-slower-than", 500)
    newest = before[0]["id"] if before else -1
    times = [
        entry["duration"] / 1000
        for entry in redis.slowlog_get(TIMES * 10)
        if entry["id"] > newest and entry["command"].startswith(b"EVALSHA")
    ]
    return {"p50_ms": round(percentile(times, 0.5), 3), "max_ms": round(max(times), 3)}


def _exodus(redis: Redis, line: Line, people: int) -> tuple[float, int]:
    """(ms of Redis, people taken out) of the pass that finds everybody silent."""
    from apps.waitingroom import store
    from apps.waitingroom.rules import Mode, ZoneRules

    start = time.time_ns() // 10**10 * 10_000
    rules = ZoneRules(zone_id=line.zone_id, name="", per_minute=PER_MINUTE, mode=Mode.QUEUE_ALL, message="")
    _do(store.publish(rules, fresh=True, now_ms=start))
    line.fill(people, now_ms=start)
    for second in range(5, 70, 5):
        line.pulse(start + second * 1000)
    evicted = 0

    def one_pass() -> None:
        nonlocal evicted
        evicted += line.evict(start + 71_000)

    return _timed(redis, one_pass)["max_ms"], evicted


def _slowest(redis: Redis, most: int = 5) -> list[dict[str, Any]]:
    """The slowest calls that Redis remembers."""
    from apps.realtime.lua import script_by_sha

    entries = sorted(redis.slowlog_get(SLOWLOG_LONGEST), key=lambda entry: -entry["duration"])
    named = []
    for entry in entries[:most]:
        words = entry["command"].decode(errors="replace").split(" ")
        name = script_by_sha(words[1]).name if words[0] == "EVALSHA" else words[0]
        named.append({"call": name, "ms": round(entry["duration"] / 1000, 3)})
    return named


SCENARIO = Scenario(
    "gate-line",
    "a million in one line: memory, and Redis's time for each call",
    run,
    1_000_000,
    80,  # at each size: as long as marks of who was heard of live, so that all of them are weighed
    most=8_000_000,
    role="gate",
    env={"GATE_JOINS_PER_ADDRESS_S": "0"},
)
