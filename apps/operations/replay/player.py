"""Plays a trace: opens and closes every viewer's socket at its moment, and compares counts at the sampled moments.

The trace's clock runs `speed` times as fast as the wall's. At a sampled moment it is held: first until every open and
close that was due is done at the sockets, so that the true count is a fact and not a race, then until Fullhouse's
answers equal it, for two seconds at most. The time that settling took is part of the result.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from .report import Reading, Sample, clock_text
from .trace import Channel, Trace, true_counts
from .viewer import House, Viewer

SETTLE_LIMIT_S = 2.0
SETTLE_READ_EVERY_S = 0.05
STALL_LIMIT_S = 30.0  # longer than the longest backoff of a viewer that comes back
FAREWELL_LIMIT_S = 5.0
PROGRESS_EVERY_S = 0.5


class _Kind(IntEnum):
    """Order of what happens at one moment: a count comes after all comings and goings and before a broadcast's end."""

    CHANNEL_START = 0
    OPEN = 1
    CLOSE = 2
    SAMPLE = 3
    CHANNEL_END = 4


@dataclass(frozen=True, slots=True)
class Script:
    """What the player is given: the trace, how fast, and the ways to the world outside."""

    trace: Trace
    speed: float
    moments: Sequence[float]
    channel_start: Callable[[Channel], Awaitable[int]]  # -> stream id
    channel_end: Callable[[Channel], Awaitable[None]]
    counts_read: Callable[[Sequence[int]], Awaitable[dict[int, int | None]]]
    progress: Callable[[float, str], None]
    note: Callable[[Sample], None]


@dataclass(slots=True)
class Player:
    """Runs one script. `stop` ends it early, cleanly."""

    script: Script
    house: House
    stop: asyncio.Event
    samples: list[Sample] = field(default_factory=list)
    _streams: dict[str, int] = field(default_factory=dict)
    _viewers: dict[int, Viewer] = field(default_factory=dict)  # by number of the session
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _unsettled: set[Viewer] = field(default_factory=set)
    _present: set[Viewer] = field(default_factory=set)
    _calm: asyncio.Event = field(default_factory=asyncio.Event)
    _last_change: float = 0.0
    _origin: float = 0.0  # wall time of the trace's start, moved on by every hold

    async def run(self) -> list[Sample]:
        """Play until the end or until stopped; every socket is closed when this returns."""
        self._calm.set()
        self._origin = asyncio.get_running_loop().time()
        try:
            for moment, kind, number in self._timetable():
                await self._wait_until(moment)
                if self.stop.is_set():
                    break
                await self._happen(moment, kind, number)
            else:
                await self._settle_sockets()
                if self._unsettled:
                    self.house.tally.errors["still open after the end"] += len(self._unsettled)
        finally:
            await self._farewell()
        return self.samples

    def _timetable(self) -> list[tuple[float, _Kind, int]]:
        trace = self.script.trace
        events = [(channel.start, _Kind.CHANNEL_START, number) for number, channel in enumerate(trace.channels)]
        events += [(channel.end, _Kind.CHANNEL_END, number) for number, channel in enumerate(trace.channels)]
        events += [(session.start, _Kind.OPEN, number) for number, session in enumerate(trace.sessions)]
        events += [(session.end, _Kind.CLOSE, number) for number, session in enumerate(trace.sessions)]
        events += [(moment, _Kind.SAMPLE, number) for number, moment in enumerate(self.script.moments)]
        # A stay may be drawn past the end of everything; the end of its broadcast closes it.
        return sorted(event for event in events if event[0] <= trace.end)

    async def _wait_until(self, moment: float) -> None:
        loop = asyncio.get_running_loop()
        due = self._origin + (moment - self.script.trace.start) / self.script.speed
        while not self.stop.is_set():
            self._show(min(moment, self._moment_now()))
            delay = due - loop.time()
            if delay <= 0:
                return
            try:
                async with asyncio.timeout(min(delay, PROGRESS_EVERY_S)):
                    await self.stop.wait()
            except TimeoutError:
                continue

    def _moment_now(self) -> float:
        elapsed = asyncio.get_running_loop().time() - self._origin
        return self.script.trace.start + elapsed * self.script.speed

    def _show(self, moment: float) -> None:
        trace, tally = self.script.trace, self.house.tally
        share = (moment - trace.start) / ((trace.end - trace.start) or 1.0)
        words = f"{clock_text(moment)}  {len(self._present):,} sockets  {tally.opened:,} opened"
        if tally.errors:
            words += f"  {tally.errors.total():,} errors"
        self.script.progress(share, words)

    async def _happen(self, moment: float, kind: _Kind, number: int) -> None:
        if kind is _Kind.OPEN:
            self._open(number)
        elif kind is _Kind.CLOSE:
            self._viewers.pop(number).leave()
        elif kind is _Kind.SAMPLE:
            await self._sample(moment)
        elif kind is _Kind.CHANNEL_START:
            channel = self.script.trace.channels[number]
            self._streams[channel.name] = await self.script.channel_start(channel)
        else:
            channel = self.script.trace.channels[number]
            stream_id = self._streams[channel.name]
            for viewer in list(self._viewers.values()):
                if viewer.stream_id == stream_id:
                    viewer.dismiss()
            await self.script.channel_end(channel)

    def _open(self, number: int) -> None:
        session = self.script.trace.sessions[number]
        viewer = Viewer(
            self.house,
            stream_id=self._streams[session.channel],
            device=session.device,
            number=number,
            changed=self._viewer_changed,
        )
        self._viewers[number] = viewer
        self._viewer_changed(viewer)
        task = asyncio.create_task(viewer.watch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _viewer_changed(self, viewer: Viewer) -> None:
        (self._unsettled.discard if viewer.settled else self._unsettled.add)(viewer)
        (self._present.add if viewer.present else self._present.discard)(viewer)
        self._last_change = asyncio.get_running_loop().time()
        if self._unsettled:
            self._calm.clear()
        else:
            self._calm.set()

    async def _settle_sockets(self, limit_s: float = STALL_LIMIT_S) -> None:
        """Wait until every socket is as it should be; give up when none has changed for a while."""
        loop = asyncio.get_running_loop()
        self._last_change = loop.time()
        while not self._calm.is_set() and loop.time() - self._last_change < limit_s:
            self._show(self._moment_now())
            try:
                async with asyncio.timeout(PROGRESS_EVERY_S):
                    await self._calm.wait()
            except TimeoutError:
                continue

    async def _sample(self, moment: float) -> None:
        loop = asyncio.get_running_loop()
        held_from = loop.time()
        await self._settle_sockets()
        unsettled = len(self._unsettled)
        settled_at = loop.time()
        true = true_counts(self.script.trace.sessions, moment)
        live = [channel.name for channel in self.script.trace.channels if channel.start <= moment <= channel.end]
        answers: dict[int, int | None] = {}
        wrong = live
        while True:
            answers |= await self.script.counts_read([self._streams[name] for name in wrong])
            wrong = [name for name in wrong if answers[self._streams[name]] != true.get(name, 0)]
            if not wrong or loop.time() - settled_at > SETTLE_LIMIT_S or self.stop.is_set():
                break
            await asyncio.sleep(SETTLE_READ_EVERY_S)
        done_at = loop.time()
        sample = Sample(
            moment=moment,
            held_ms=(settled_at - held_from) * 1000,
            settle_ms=(done_at - settled_at) * 1000,
            sockets=len(self._present),
            unsettled=unsettled,
            readings=tuple(Reading(name, true.get(name, 0), answers[self._streams[name]]) for name in live),
        )
        self.samples.append(sample)
        self.script.note(sample)
        self._origin += done_at - held_from

    async def _farewell(self) -> None:
        """Close what is still open. Whoever waits to reconnect to a server that has gone is not waited for."""
        for viewer in self._viewers.values():
            viewer.leave()
        await self._settle_sockets(FAREWELL_LIMIT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
