"""What every scenario shares: its options, its result and how the two are printed."""

import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop

from .crowd import LARGEST_CROWD, Crowd, Ticket, Visitor, ticket_make
from .house import House


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    connections: int
    seconds: float


@dataclass(slots=True)
class Result:
    """Figures of one run beside what they must reach: `goals` maps a figure to (at least | at most, value)."""

    figures: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, tuple[str, float]] = field(default_factory=dict)

    def missed(self) -> list[str]:
        """The goals that were not reached."""
        return [
            f"{name} is {self.figures[name]}, {side.replace('_', ' ')} {value:g} is asked"
            for name, (side, value) in self.goals.items()
            if (self.figures[name] < value if side == "at_least" else self.figures[name] > value)
        ]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One benchmark. `connections` (or whatever it is that there are many of) and `seconds` are its defaults."""

    name: str
    summary: str
    run: Callable[[House, Options], Result]
    connections: int
    seconds: float
    most: int = LARGEST_CROWD
    role: str = "all"  # of the server
    env: Mapping[str, str] = field(default_factory=dict)  # beside what every house has
    house: type[House] = House


def say(line: str) -> None:
    """A line for a person, at once: runs take minutes."""
    print(line, file=sys.stdout, flush=True)


def environment() -> dict[str, Any]:
    """Where the figures come from; without it they mean nothing."""
    return {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "kernel": platform.release()}


def run_coroutine(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the client's side on uvloop, as the server's is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def tickets(stream_id: int, number: int) -> list[Ticket]:
    """So many viewers of one stream."""
    return [ticket_make(stream_id) for _ in range(number)]


async def fill(crowd: Crowd, stream_id: int, number: int) -> list[Visitor]:
    """Bring an audience in, 500 at a time, and insist that all of it is there."""
    joined = await crowd.join_all(tickets(stream_id, number), at_once=500)
    if len(joined) != number:
        raise RuntimeError(f"only {len(joined):,} of {number:,} could join: {dict(crowd.failures)}")
    return [visitor for visitor, _ in joined]


async def warm_up(crowd: Crowd, stream_id: int) -> None:
    """The first sockets load code and grow pools; they are nobody's cost."""
    await crowd.leave_all(await fill(crowd, stream_id, 500))


async def settled_difference(house: House, expected: dict[int, int], *, within_s: float = 5.0) -> tuple[int, float]:
    """(viewers that Redis is off by, over all streams; ms until it agreed or gave up)."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        difference = sum(abs(house.current(stream_id) - viewers) for stream_id, viewers in expected.items())
        waited = loop.time() - started
        if difference == 0 or waited > within_s:
            return difference, round(waited * 1000, 1)
        await asyncio.sleep(0.02)
