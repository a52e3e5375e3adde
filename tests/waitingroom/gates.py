"""A gate process without requests: a gatehouse on the test's event loop, moved by hand, whose clock can be set."""

import asyncio
import time
from dataclasses import dataclass, field

from apps.realtime.redis import Command
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.outcomes import Outcome
from apps.waitingroom.tickets import TicketClaims


@dataclass
class Ticks:
    """A clock in seconds that runs evenly and shows what it likes; `ahead` lets time go by."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Gate:
    """One gate process; nothing is read or told by itself but batches, a moment after the first of each."""

    ticks: Ticks = field(default_factory=Ticks)

    def __post_init__(self) -> None:
        self.house = Gatehouse(ticks=self.ticks)

    async def zone(self, zone_id: str = "concert") -> ZoneKeeper:
        """A zone's keeper, its line just read."""
        await self.house.catalogue.look(again=True)
        keeper = self.house.zone(zone_id)
        assert keeper is not None
        keeper.touch()
        await self.house.tell_all()
        return keeper

    async def join(self, keeper: ZoneKeeper, count: int = 1) -> list[Outcome]:
        """So many newcomers, whose outcomes are made once the line was read."""
        tasks = [asyncio.create_task(keeper.join("client")) for _ in range(count)]
        while not all(task.done() for task in tasks):
            await self.house.tell_all()
            await asyncio.sleep(0)
        return [task.result() for task in tasks]


def ticket(outcome: Outcome, zone_id: str = "concert") -> TicketClaims:
    """What the ticket of this outcome says."""
    assert outcome.place >= 0
    return TicketClaims(zone_id, outcome.epoch, outcome.place, outcome.joined_ms, outcome.client)


def claimed_places(command: Command) -> list[int]:
    """The places that a claim asks for: behind script, keys, time and epoch, each with what it has waited."""
    return list(command[3 + command[2] + 2 :: 2])


async def ask(keeper: ZoneKeeper, claims: TicketClaims) -> Outcome:
    """A poll, as the entrances do it."""
    outcome = keeper.poll_now(claims)
    return await keeper.poll(claims) if outcome is None else outcome
