"""A whole replay of a crowd, from file to verdict: against a running gate, or against Redis by a clock of its own."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db import connections

from apps.realtime.redis import close_sync_clients

from .crowd import Minute, arrivals, crowd_cut, crowd_read, minutes_between
from .gate_play import Played, crowd_play, per_minute_of
from .gate_report import HEADING, MINUTE_MS, MinuteRow, Verdict, judge, row_line
from .gate_simulation import Simulation
from .gate_stage import ID_PREFIX, GateStage
from .gate_visitor import GateClient
from .progress import Progress
from .report import clock_text

FOLLOWED_WITHIN_S = 10.0
ASK_EVERY_S = 0.1
# Where a simulated clock begins: any whole minute will do.
SIMULATED_START_MS = 1_800_000_000_000 // MINUTE_MS * MINUTE_MS


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """What was asked for. `start` and `end` turn the file's first moment into those to begin and to end at.

    Without `end` it is `minutes` minutes.
    """

    file: Path
    url: str
    zone_id: str | None  # None: make one that admits per_minute
    per_minute: int
    minutes: int
    start: Callable[[float], float]
    seed: int
    simulate: bool
    leaving: float = 0.0  # see Simulation
    end: Callable[[float], float] | None = None


class CrowdReplay:
    """One replay. `stop` ends it early; what happened until then is judged all the same."""

    def __init__(self, plan: CrowdPlan, *, progress: Progress, stop: asyncio.Event) -> None:
        self._plan, self._progress, self._stop = plan, progress, stop
        self.per_minute = plan.per_minute
        self._minutes: Sequence[Minute] = ()

    async def run(self) -> tuple[Verdict, Played]:
        """Read the file, play it, and judge the zone.

        TraceError or OSError if the file cannot be played, GateUnreachable without a gate, LookupError without a zone.
        """
        rows = crowd_read(self._plan.file)
        first = rows[0].start if rows else 0.0
        start, count = self._plan.start(first), self._plan.minutes
        if self._plan.end is not None:
            count = minutes_between(start, self._plan.end(first))
        self._minutes = crowd_cut(rows, start=start, count=count)
        played = await (self._simulated() if self._plan.simulate else self._live())
        return judge(played.guests, per_minute=self.per_minute, until_ms=played.until_ms), played

    async def _simulated(self) -> Played:
        simulation = Simulation(
            per_minute=self.per_minute, start_ms=SIMULATED_START_MS, leaving=self._plan.leaving, seed=self._plan.seed
        )

        def work() -> Played:
            try:
                simulation.open()
                return simulation.run(
                    self._moments(), minute_over=self._minute_over, progress=self._progress.show, stop=self._stop
                )
            finally:
                simulation.remove()
                close_sync_clients()

        return await asyncio.to_thread(work)

    async def _live(self) -> Played:
        loop, stage, client = asyncio.get_running_loop(), GateStage(), GateClient(self._plan.url)
        with ThreadPoolExecutor(1) as database:  # one thread, because a database connection belongs to one
            try:
                zone_id = self._plan.zone_id
                if zone_id is None:
                    with suppress(LookupError):  # nothing is made for a gate that is not there
                        await per_minute_of(client, ID_PREFIX)
                    zone_id = await loop.run_in_executor(database, stage.open, self.per_minute)
                self.per_minute = await self._followed(client, zone_id, is_new=self._plan.zone_id is None)
                return await crowd_play(
                    client=client,
                    zone_id=zone_id,
                    moments=self._moments(),
                    stop=self._stop,
                    minute_over=self._minute_over,
                    progress=self._progress.show,
                )
            finally:
                client.close()
                if stage.zone_id:
                    await loop.run_in_executor(database, stage.close)
                    await loop.run_in_executor(database, connections.close_all)

    async def _followed(self, client: GateClient, zone_id: str, *, is_new: bool) -> int:
        """N of the zone, once the gate knows it: one that was just made takes a moment to get around."""
        deadline = asyncio.get_running_loop().time() + FOLLOWED_WITHIN_S
        while True:
            try:
                return await per_minute_of(client, zone_id)
            except LookupError:
                if not is_new or asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(ASK_EVERY_S)

    def _moments(self) -> list[float]:
        moments = arrivals(self._minutes, per_minute=self.per_minute, seed=self._plan.seed)
        peak = max(minute.requests for minute in self._minutes)
        self._progress.note(
            f"{len(moments):,} people in {len(self._minutes)} minutes, {self.per_minute:,} may enter a minute;"
            f" the busiest minute of the file had {peak:,} requests"
        )
        self._progress.note(HEADING)
        return moments

    def _minute_over(self, row: MinuteRow) -> None:
        self._progress.note(row_line(row, clock_text(self._minutes[0].start + row.number * 60)[:5]))
