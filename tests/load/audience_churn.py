"""audience-churn: people come, go, switch, open tabs in storms and vanish without a word; then the count must be exact.

Every second visitor that leaves does so by cutting the connection. A tab storm opens 40 tabs of one viewer at once and
closes all but one. A reopened session takes the place of its own older socket, which the server closes (4409).

What it cannot prove: exactness while things move, when "now" differs between the sockets and Redis by the flush delay;
and several server processes, which the tests of faults cover.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict

from .crowd import Crowd, Ticket, Visitor, ticket_make
from .house import House
from .scenario import Options, Result, Scenario, run_coroutine, say, settled_difference

STREAMS = 5
TABS_IN_A_STORM = 40
ACTS_IN_FLIGHT = 200


def run(house: House, options: Options) -> Result:
    """Churn for some seconds, then compare, then leave and compare again."""
    return run_coroutine(_run(house, options, [stream.pk for stream in house.streams_make(STREAMS)]))


class _Mob:
    """Does random things, and knows which tabs are open because it holds their sockets."""

    def __init__(self, crowd: Crowd, streams: list[int], most: int) -> None:
        self.crowd = crowd
        self.streams = streams
        self.most = most
        self.tabs: dict[Visitor, tuple[int, Ticket]] = {}
        self.done: Counter[str] = Counter()
        self.chance = random.Random(1)

    def open_now(self) -> dict[Visitor, tuple[int, Ticket]]:
        """Tabs whose socket still stands."""
        return {
            visitor: tab
            for visitor, tab in self.tabs.items()
            if visitor.transport is not None and not visitor.transport.is_disconnected
        }

    def viewers(self) -> dict[int, int]:
        """Unique viewers of every stream by the sockets."""
        people: dict[int, set[str]] = defaultdict(set)
        for stream_id, ticket in self.open_now().values():
            people[stream_id].add(ticket.viewer_id)
        return {stream_id: len(people[stream_id]) for stream_id in self.streams}

    async def act(self) -> None:
        """One random thing."""
        storm = 0.01 if len(self.tabs) + TABS_IN_A_STORM < self.most else 0.0
        kind = self.chance.choices(
            ["join", "tab", "leave", "cut", "reopen", "storm"],
            [0.45 if len(self.tabs) < self.most else 0.0, 0.1, 0.2, 0.2, 0.04, storm],
        )[0]
        if kind == "join":
            await self._open(self.chance.choice(self.streams))
        elif kind == "storm":
            await self._storm()
        elif self.tabs:
            visitor = self.chance.choice(list(self.tabs))
            stream_id, ticket = self.tabs[visitor]
            if kind == "tab" and len(self.tabs) < self.most:
                await self._open(stream_id, browser_id=ticket.browser_id)
            elif kind == "reopen":
                await self._open(stream_id, browser_id=ticket.browser_id, session_id=ticket.session_id)
            else:
                await self._close(visitor, cut=kind == "cut")
        self.done[kind] += 1

    async def _open(self, stream_id: int, *, browser_id: str = "", session_id: str = "") -> Visitor | None:
        ticket = ticket_make(stream_id, browser_id=browser_id, session_id=session_id)
        joined = await self.crowd.join(ticket)
        if joined is None:
            return None
        self.tabs[joined[0]] = (stream_id, ticket)
        return joined[0]

    async def _close(self, visitor: Visitor, *, cut: bool) -> None:
        if self.tabs.pop(visitor, None) is None or visitor.transport is None:
            return
        if cut:
            visitor.transport.disconnect(graceful=False)
        else:
            await self.crowd.leave_all([visitor])

    async def _storm(self) -> None:
        stream_id, browser_id = self.chance.choice(self.streams), ticket_make(1).browser_id
        tabs = await asyncio.gather(*(self._open(stream_id, browser_id=browser_id) for _ in range(TABS_IN_A_STORM)))
        opened = [tab for tab in tabs if tab is not None]
        await asyncio.gather(*(self._close(tab, cut=number % 2 == 0) for number, tab in enumerate(opened[1:])))


async def _run(house: House, options: Options, streams: list[int]) -> Result:
    crowd = Crowd(house.address)
    mob = _Mob(crowd, streams, options.connections)
    until = time.monotonic() + options.seconds

    async def keep_acting() -> None:
        while time.monotonic() < until:
            await mob.act()

    await asyncio.gather(*(keep_acting() for _ in range(ACTS_IN_FLIGHT)))
    truth = mob.viewers()
    difference, settle_ms = await settled_difference(house, truth)
    sockets = mob.open_now()
    say(f"{mob.done.total():,} acts, {len(sockets):,} tabs of {sum(truth.values()):,} viewers are open")
    await crowd.leave_all(list(sockets))
    after_leaving, leaving_ms = await settled_difference(house, dict.fromkeys(streams, 0))
    figures = {
        "acts": mob.done.total(),
        "kinds": dict(mob.done),
        "failures": dict(crowd.failures),
        "closed_with": {str(code): times for code, times in sorted(crowd.closed.items())},
        "tabs": len(sockets),
        "viewers": sum(truth.values()),
        "difference": difference,
        "settle_ms": settle_ms,
        "difference_after_leaving": after_leaving,
        "settle_after_leaving_ms": leaving_ms,
    }
    return Result(figures, goals={"difference": ("at_most", 0), "difference_after_leaving": ("at_most", 0)})


SCENARIO = Scenario("audience-churn", "joins, leaves, cuts and tab storms, then the count is exact", run, 3_000, 30)
