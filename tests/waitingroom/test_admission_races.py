"""Many gates at once: what happens when reading and entering are two steps, and that in one they keep the law."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from apps.realtime.redis import sync_client
from apps.waitingroom import store
from apps.waitingroom.rules import Mode
from tests.waitingroom.line_stage import NOON, Line, both, run_one

GATES = 8


def at_once(*steps: Callable[[], Any]) -> list[Any]:
    """What each of these answers, all begun at the same moment by a thread of its own."""
    start = threading.Barrier(len(steps))

    def run(step: Callable[[], Any]) -> Any:
        start.wait(10)
        return step()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def called_line(**rules: Any) -> Line:
    """A line of a thousand in a new window, with as many called as the window may let in."""
    line = Line().open(mode=Mode.QUEUE_ALL, **rules)
    line.join(1_000)
    line.at = 6_000
    line.pulse()
    return line


# What a gate without a script would do: look whether there is room, then enter. Kept to show what the script prevents.
HASTY_LOOK = "return tonumber(redis.call('HGET', KEYS[1] .. ':windows', ARGV[1]) or 0)"
HASTY_ENTER = "redis.call('HINCRBY', KEYS[1] .. ':windows', ARGV[1], 1)"


def hasty_claim(line: Line, room: int, look_done: threading.Barrier) -> bool:
    """Enter in two steps; the others look meanwhile, as they may at any time."""
    client: Any = sync_client()
    window = line.now_ms // 6_000
    has_room = client.eval(HASTY_LOOK, 1, line.key(""), window) < room
    look_done.wait(10)
    if has_room:
        client.eval(HASTY_ENTER, 1, line.key(""), window)
    return has_room


@both
def test_looking_before_entering_lets_too_many_in(redis_url: str) -> None:
    line = called_line(per_minute=10)  # a share of one
    look_done = threading.Barrier(GATES)
    entered = at_once(*[lambda: hasty_claim(line, 1, look_done)] * GATES)
    assert sum(entered) == GATES


@both
def test_claims_at_once_enter_as_many_as_have_room(redis_url: str) -> None:
    line = called_line(per_minute=10)
    results = at_once(*[partial(line.claim, place) for place in range(GATES)])
    assert sum(result > 0 for [result] in results) == 1
    line = Line("full").open(mode=Mode.QUEUE_ALL, per_minute=1_000)
    line.join(1_000)
    line.at = 6_000
    assert line.pulse().front == 100
    # Eight gates ask for the same hundred, and for a hundred more.
    results = at_once(*[lambda: line.claim(*range(200))] * GATES)
    assert all(answer == results[0] for answer in results)
    assert results[0] == [line.now_ms] * 100 + [0] * 100
    assert line.minute().entries == 100


@both
def test_joins_at_once_burst_no_further_than_the_minute(redis_url: str) -> None:
    line = Line().open(per_minute=100)
    gates = [f"gate{number}" for number in range(GATES)]
    answers = at_once(*[partial(line.join, 30, server=server, batch=1) for server in gates])
    assert sum(joined.entered for joined in answers) == 100
    assert sorted(joined.first for joined in answers) == list(range(0, GATES * 30, 30))
    # The hundred are the first hundred: nobody enters who came after one who waits.
    assert sorted(joined.first for joined in answers if joined.entered) == [0, 30, 60, 90]
    again = [line.join(30, server=server, batch=1) for server in gates]
    assert again == answers


@dataclass
class Rush:
    """Gates that pulse, join and claim as fast as they can, at a clock that runs forty-five times as fast as ours."""

    line: Line
    until_ms: int  # of the gates' clock, after noon
    entered: dict[int, int] = field(default_factory=dict)  # place -> epoch ms
    given: list[int] = field(default_factory=list)
    stands_from: int = 2**53  # epoch ms when the first had to wait
    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = field(default_factory=time.monotonic)

    def gate(self, name: str, skew_ms: int) -> None:
        """One gate; its clock is wrong by `skew_ms`."""
        luck, batch, mine = random.Random(name), 0, set[int]()
        while (at := int((time.monotonic() - self.began) * 45_000)) < self.until_ms:
            now_ms = NOON + at + skew_ms
            pulse = store.pulse_read(run_one(store.pulse(zone_id="z", epoch=1, now_ms=now_ms)))
            batch += 1
            join = store.join(zone_id="z", epoch=1, server=name, batch=batch, count=luck.randint(1, 9), now_ms=now_ms)
            joined = [store.join_read(run_one(join)) for _ in range(luck.randint(1, 2))][-1]
            places = range(joined.first, joined.first + joined.count)
            mine.update(places[joined.entered :])
            asking = [place for place in mine if place < pulse.front][:200]
            results = []
            if asking:
                claim = store.claim(zone_id="z", epoch=1, places=[(place, 0) for place in asking], now_ms=now_ms)
                results = [store.claim_read(run_one(claim)).results for _ in range(luck.randint(1, 2))][-1]
            with self.lock:
                self.given += places
                if joined.entered < joined.count:
                    self.stands_from = min(self.stands_from, joined.entered_ms)
                self.entered |= dict.fromkeys(places[: joined.entered], joined.entered_ms)
                self.entered |= {place: moment for place, moment in zip(asking, results, strict=False) if moment > 0}
            mine -= self.entered.keys()

    def trouble(self) -> None:
        """Every ten seconds of the gates' clock, another Redis process takes over."""
        at, client = 0, sync_client()
        while at < self.until_ms:
            time.sleep(10 / 45)
            client.hset(self.line.key(""), "run_id", f"another {at}")
            at = int((time.monotonic() - self.began) * 45_000)


def check_law(moments: list[int], per_minute: int, line_stands_from: int) -> None:
    """No sixty seconds with more than N, no window with more than its share once a line stands."""
    moments = sorted(moments)
    for first, moment in enumerate(moments):
        if first + per_minute < len(moments):
            assert moments[first + per_minute] - moment >= 60_000
    for window, entries in Counter(moment // 6_000 for moment in moments if moment > line_stands_from).items():
        tenth = window % 10
        assert entries <= (tenth + 1) * per_minute // 10 - tenth * per_minute // 10


@pytest.mark.slow
@pytest.mark.parametrize("is_troubled", [False, True], ids=["calm", "failovers"])
@both
def test_a_rush_of_gates_keeps_the_law(redis_url: str, is_troubled: bool) -> None:
    """Two and a half minutes of eight gates whose clocks are up to ten seconds apart; what they send may come twice."""
    line = Line().open(per_minute=333, idle_s=3_600)
    rush = Rush(line, until_ms=150_000)
    skews = [0, 5_000, -5_000, 1_000, -100, 0, 0, 50]
    gates = [partial(rush.gate, f"gate{number}", skew_ms) for number, skew_ms in enumerate(skews)]
    at_once(*gates, *[rush.trouble] * is_troubled)
    assert len(rush.given) == len(set(rush.given))
    moments = list(rush.entered.values())
    check_law(moments, 333, line_stands_from=rush.stands_from)
    # And they did enter: a minute's burst, then a share in every window that no failover closed.
    assert len(moments) >= 333 if is_troubled else 2 * 333
