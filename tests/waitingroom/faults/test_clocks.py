"""Gate processes whose clocks disagree: Redis's clock is the only one that counts."""

import asyncio
from collections import Counter

import pytest

from apps.waitingroom.outcomes import Outcome
from apps.waitingroom.rules import Mode
from apps.waitingroom.tickets import TicketClaims
from apps.waitingroom.windows import share

from ..gate import zone_open
from ..gates import Gate, ask, ticket

pytestmark = pytest.mark.slow

RATE = 600


async def wait_for_entry(gates: list[Gate], claims: TicketClaims, told: list[tuple[int, Outcome]]) -> int:
    """Ask the gates in turn until let in; when that was."""
    turn = claims.place
    while True:
        gate = gates[turn % len(gates)]
        keeper = gate.house.zone("concert")
        assert keeper is not None
        outcome = await ask(keeper, claims)
        assert outcome.refused == ""
        if outcome.can_enter:
            return outcome.entered_ms
        told.append((keeper.clock.now_ms(), outcome))
        turn += 1
        await asyncio.sleep(0.55)


async def test_five_seconds_between_two_gates_change_nothing(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL, per_minute=RATE)
    gates = [Gate(), Gate()]
    gates[1].ticks.ahead = 5.0
    for gate in gates:
        gate.house.start()
        assert await gate.house.wait_ready(5)
    try:
        keepers = [gate.house.zone("concert") for gate in gates]
        outcomes = await asyncio.gather(*(keepers[number % 2].join("c") for number in range(150)))  # type: ignore[union-attr]
        told: dict[int, list[tuple[int, Outcome]]] = {outcome.place: [] for outcome in outcomes}
        waiting = [asyncio.create_task(wait_for_entry(gates, ticket(each), told[each.place])) for each in outcomes]
        async with asyncio.timeout(20):
            entered = await asyncio.gather(*waiting)
    finally:
        for gate in gates:
            await gate.house.stop()
    entered_at = {each.place: moment for each, moment in zip(outcomes, entered, strict=True)}
    by_place = [entered_at[place] for place in sorted(entered_at)]
    windows = Counter(moment // 6_000 for moment in by_place)
    assert all(count <= share(RATE, window) for window, count in windows.items())
    first, last = min(windows), max(windows)
    assert [windows[window] for window in range(first + 1, last)] == [60] * (last - first - 1)  # and no room unused
    assert all(
        moment // 6_000 >= max(by_place[:number], default=0) // 6_000 - 1 for number, moment in enumerate(by_place)
    )
    for place, answers in told.items():
        ranks = [outcome.rank for _, outcome in answers]
        assert ranks == sorted(ranks, reverse=True)
        for at_ms, outcome in answers:
            assert outcome.eta_s is not None
            foretold = (at_ms + outcome.eta_s * 1_000) // 6_000
            assert abs(entered_at[place] // 6_000 - foretold) <= 1
