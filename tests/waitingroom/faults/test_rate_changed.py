"""A manager changes N while a line stands: up, down and to nobody, and it holds within a second."""

import time
from collections.abc import Callable

import pytest

from apps.waitingroom.rules import Mode
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from ..gate import zone_change, zone_open
from .crowd import Crowd

pytestmark = pytest.mark.slow


async def test_n_goes_down_to_nobody_and_up_while_a_line_stands(
    redis_url: str, gate: Callable[..., WebServer], crowd: Callable[..., Crowd]
) -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=100)
    people = crowd("concert", gate(), gate())
    visitors = await people.come(300)
    last = visitors[-1]  # asked by this test alone: twice as often is too fast
    people.live(visitors[:-1])

    async def inside(count: int) -> bool:
        return len(people.inside) >= count

    await eventually_async(lambda: inside(10), deadline=10)
    # To nobody: whoever enters does so within a second.
    rules = zone_change(rules, per_minute=0, slowed_at_ms=int(time.time() * 1_000))
    stopped = time.time()

    async def says_nobody_knows() -> bool:
        answer = await last.ask(people.doors[0])
        return answer["waiting"]["etaSeconds"] is None and answer["slowed"] is True

    await eventually_async(says_nobody_knows, every=0.6)
    window = int(stopped) // 6

    async def a_window_has_opened() -> bool:
        return time.time() >= (window + 1) * 6 + 1.5

    await eventually_async(a_window_has_opened, deadline=8, every=0.25)
    assert max(each.entered_s for each in people.inside) <= stopped + 1
    before = len(people.inside)
    assert before <= 20
    # Up: the rest of this window's share is given at once, and no more than that.
    rules = zone_change(rules, per_minute=600)
    started = time.time()
    await eventually_async(lambda: inside(before + 50))
    assert min(each.entered_s for each in people.inside[before:]) // 6 == int(started) // 6
    # Down: this window has used its new share already.
    rules = zone_change(rules, per_minute=100)
    changed = time.time()
    await eventually_async(lambda: inside(before + 60), deadline=20)
    await people.end()
    late = [each.entered_s for each in people.inside if each.entered_s > changed + 1]
    assert all(sum(other // 6 == second // 6 for other in late) <= 10 for second in late)
    people.check(600)
