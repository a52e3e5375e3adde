"""Plays a crowd against a running gate in real time: a minute of the file is a minute, as windows are real seconds."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apps.realtime.clock import epoch_ms

from .gate_report import MINUTE_MS, Guest, MinuteRow
from .gate_visitor import Crowd, GateClient, GateUnreachable

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay leaves to be judged."""

    guests: Sequence[Guest]
    until_ms: int
    errors: dict[str, int]
    polls: int


async def per_minute_of(client: GateClient, zone_id: str) -> int:
    """N of a zone by its public status; GateUnreachable if nobody answers, LookupError without such a zone."""
    status, answer = await client.get(f"/traffic/zones/{zone_id}")
    if status == 404:
        raise LookupError(f"The server knows no zone {zone_id!r}.")
    if status != 200:
        raise GateUnreachable(f"it answers {status} to the zone's status")
    return int(answer["perMinute"])


async def crowd_play(
    *,
    client: GateClient,
    zone_id: str,
    moments: Sequence[float],
    stop: asyncio.Event,
    minute_over: Callable[[MinuteRow], None],
    progress: Callable[[float, str], None],
) -> Played:
    """Send somebody at each of `moments` (seconds from now), until all have entered, or `stop` is set."""
    crowd, loop = Crowd(client, zone_id), asyncio.get_running_loop()
    start, start_ms = loop.time(), epoch_ms()
    visits: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []

    def over(task: asyncio.Task[None]) -> None:
        visits.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            stop.set()

    async def send() -> None:
        for number, moment in enumerate(moments):
            await asyncio.sleep(start + moment - loop.time())
            visit = asyncio.create_task(crowd.visit(number))
            visits.add(visit)
            visit.add_done_callback(over)

    async def report() -> None:
        minute = 0
        while True:
            await asyncio.sleep(EVERY_S)
            elapsed_ms = epoch_ms() - start_ms
            if elapsed_ms // MINUTE_MS > minute:
                minute_over(crowd.book.row(minute))
                minute += 1
            came = len(crowd.book.guests)
            progress(came / len(moments), f"{came:,} of {len(moments):,} came, {len(visits):,} are here")
            if sending.done() and not visits:
                stop.set()

    sending, reporting = asyncio.create_task(send()), asyncio.create_task(report())
    for task in (sending, reporting):
        task.add_done_callback(over)
    await stop.wait()
    everything = {sending, reporting, *visits}
    for task in everything:
        task.cancel()
    await asyncio.gather(*everything, return_exceptions=True)
    if failed:
        raise failed[0]
    until_ms = epoch_ms()
    minute_over(crowd.book.row((until_ms - start_ms) // MINUTE_MS))
    return Played(crowd.book.guests, until_ms, dict(crowd.errors), crowd.polls)
