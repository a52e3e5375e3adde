"""Thousands at the front of a line vanish without a word: those behind move up within a minute and a half."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from apps.waitingroom.rules import Mode
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from ..gate import line_of, zone_open
from ..line_stage import Line, snapshot_of
from .crowd import PERIOD_S, Crowd

pytestmark = pytest.mark.slow


def test_five_thousand_vanish_and_those_behind_move_up_within_90_seconds(redis_url: str) -> None:
    line = Line().open(mode=Mode.PAUSED)
    for _ in range(5):
        line.join(1_000)
    behind = range(5_000, 5_100)
    line.join(len(behind))
    line.listen([*range(5_000), *behind], until=30_000, every=3_000)
    snapshot = snapshot_of(line.pulse(known_rev=-1))
    assert [snapshot.rank(place) for place in (5_000, 5_099)] == [5_001, 5_100]
    vanished_at = line.at
    moved_up_at = 0
    while not moved_up_at:
        line.listen(behind, until=line.at + 1_000)
        snapshot = snapshot_of(line.pulse(known_rev=-1))
        if snapshot.rank(5_000) == 1:
            moved_up_at = line.at
        assert line.at - vanished_at <= 90_000
    assert moved_up_at - vanished_at >= 60_000  # nobody is taken for silent too early
    assert [snapshot.rank(place) for place in behind] == list(range(1, 101))
    assert line.minute(1).evicted + line.minute(0).evicted + line.minute(2).evicted == 5_000


async def test_it_happens_at_a_gate_within_two_idle_limits(
    redis_url: str, gate: Callable[..., WebServer], crowd: Callable[..., Crowd]
) -> None:
    zone_open(mode=Mode.PAUSED, idle_s=10)
    people = crowd("concert", gate())
    clock = asyncio.get_running_loop().time
    await people.come(499)
    before_last = clock()
    await people.come(1)
    after_last = clock()
    staying = await people.come(5)
    people.live(staying)

    async def all_moved_up() -> bool:
        return [each.rank for each in staying] == [1, 2, 3, 4, 5]

    await eventually_async(all_moved_up, deadline=60)
    await people.end()
    assert (await line_of()).waiting == 5
    told = [at for at, _ in staying[0].ranks]
    moved_up_at = next(at for at, rank in staying[0].ranks if rank == 1)
    assert moved_up_at - before_last >= 10
    # idle limit + one slot of ten seconds + what a gate takes to tell (4) and to read (1), five seconds between two
    # looks, which are a second apart, and a poll; less what a busy machine made this one wait for answers
    answering = sum(max(0.0, after - before - PERIOD_S) for before, after in pairwise(told) if after <= moved_up_at)
    assert moved_up_at - after_last - answering <= 32
