"""gate-ws: sockets of one zone, to each of which its place is pushed every 3 s.

An update is a frame that arrived here. Gross, they pay for all that the gate did meanwhile; net, for what it did beyond
an idle stretch before the first socket opened. Few enter, so nearly all sockets wait to the end.

With 3 s between pushes 10,000 sockets make 3,333 updates a second, an eighth of a core at the goal. So the gate is then
started again with a shorter interval (hurried_gate.py), short enough to fill the core, and the same is measured.

What it cannot prove: sockets that read slowly or sit behind a network. One client core receives everything.
"""

import asyncio
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .crowd import HANDSHAKE_TIMEOUT_S, SOURCES
from .figures import Window, events_per_cpu_second, percentile
from .house import House
from .scenario import Options, Result, Scenario, run_coroutine, say

ZONE = "load-ws"
PUSH_S, SHORT_PUSH_S = 3.0, 0.3
PER_MINUTE = 60
AT_ONCE = 500
CALM_S = 6.0
ENTERED = b'"canEnter":true'
NORMAL = 1000


class Waiter(WSListener):
    """One socket. picows calls it for every frame."""

    def __init__(self, room: "Room") -> None:
        self.room = room
        self.transport: WSTransport | None = None
        self.close_code = 0
        self.heard_at = 0.0
        self.first: asyncio.Future[None] = room.loop.create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            room, now = self.room, time.monotonic()
            room.frames += 1
            if room.gaps is not None and self.heard_at:
                room.gaps.append(now - self.heard_at)
            self.heard_at = now
            if ENTERED in frame.get_payload_as_bytes():
                room.entered += 1
            if not self.first.done():
                self.first.set_result(None)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = frame.get_close_code().value
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.room.closed[self.close_code] += 1
        if not self.first.done():
            self.first.set_exception(ConnectionError(f"closed with {self.close_code} before the first frame"))


@dataclass(slots=True)
class Room:
    """All sockets of a run."""

    address: str
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    frames: int = 0
    entered: int = 0
    gaps: "array[float] | None" = None  # seconds between two frames of a socket, while they are measured
    closed: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    waiters: list[Waiter] = field(default_factory=list)

    async def fill(self, number: int) -> None:
        """Open so many sockets and wait for the first frame of each."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(source: str) -> None:
            async with gate:
                try:
                    _, waiter = await ws_connect(
                        lambda: Waiter(self),
                        f"ws://{self.address}/ws/zones/{ZONE}/",
                        extra_headers={"Origin": f"http://{self.address}"},
                        websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                        read_buffer_init_size=512,
                        local_addr=(source, 0),
                    )
                    assert isinstance(waiter, Waiter)
                    await waiter.first
                    self.waiters.append(waiter)
                except (OSError, WSError, TimeoutError) as error:
                    self.failures[f"{type(error).__name__}: {error}"[:80]] += 1

        await asyncio.gather(*(one(SOURCES[place % len(SOURCES)]) for place in range(number)))
        if len(self.waiters) != number:
            raise RuntimeError(f"only {len(self.waiters):,} of {number:,} could join: {dict(self.failures)}")

    async def empty(self) -> None:
        """Close what is open."""
        transports = [
            waiter.transport
            for waiter in self.waiters
            if waiter.transport is not None and not waiter.transport.is_disconnected
        ]
        for transport in transports:
            transport.send_close(WSCloseCode.OK)
        await asyncio.gather(*(transport.wait_disconnected() for transport in transports))


def run(house: House, options: Options) -> Result:
    """At the period that people have, then at a short one that fills the core."""
    from apps.waitingroom.rules import Mode, ZoneRules

    house.zone_publish(ZoneRules(zone_id=ZONE, name="Load", per_minute=PER_MINUTE, mode=Mode.QUEUE_ALL, message=""))
    usual = run_coroutine(_run(house, options, PUSH_S)).figures
    house.web_restart({"LOAD_PUSH_S": str(SHORT_PUSH_S)}, ("--application", "tests.load.hurried_gate:application"))
    short = run_coroutine(_run(house, options, SHORT_PUSH_S)).figures
    figures = {
        "connections": options.connections,
        "websocket_updates_per_server_cpu_second": short["updates_per_server_cpu_second_gross"],
        "every_3_s": usual,
        "as_often_as_fills_the_core": short,
        "failures": usual["failures"] + short["failures"],
        "p95_gap_ms": usual["p95_gap_ms"],
    }
    return Result(
        figures,
        goals={"websocket_updates_per_server_cpu_second": ("at_least", 25_000), "failures": ("at_most", 0)},
    )


async def _run(house: House, options: Options, push_s: float) -> Result:
    meter = house.server_meter()
    await asyncio.sleep(CALM_S)
    idle: Window = meter.window()
    base = house.server_kib()
    room = Room(house.address)
    started = time.monotonic()
    await room.fill(options.connections)
    say(f"{options.connections:,} sockets opened in {time.monotonic() - started:.0f} s, a push every {push_s:g} s")
    await asyncio.sleep(max(PUSH_S, push_s))

    before, room.gaps = room.frames, array("d")
    commands, client_cpu, meter = house.redis_info("stats"), time.process_time(), house.server_meter()
    await asyncio.sleep(options.seconds)
    busy = meter.window(room.frames - before)
    client_cpu = time.process_time() - client_cpu
    after, gaps, room.gaps = house.redis_info("stats"), room.gaps, None
    held = house.server_kib()
    # Those who entered were closed with 1000, as they should be; whoever else was closed is a failure.
    lost = sum(times for code, times in room.closed.items() if code != NORMAL)
    figures: dict[str, Any] = {
        "seconds": round(busy.seconds, 1),
        "updates": busy.events,
        "updates_per_second": round(busy.events / busy.seconds),
        "updates_per_server_cpu_second_gross": round(events_per_cpu_second(busy)),
        "updates_per_server_cpu_second_net": round(events_per_cpu_second(busy, idle)),
        "server_cpu_share": round(busy.cpu_share, 3),
        "idle_cpu_share": round(idle.cpu_share, 4),
        "client_cpu_share": round(client_cpu / busy.seconds, 3),
        "redis_commands_per_second": round(
            (after["total_commands_processed"] - commands["total_commands_processed"]) / busy.seconds, 1
        ),
        "kib_per_connection": round((held - base) / options.connections, 2),
        "p50_gap_ms": round(percentile(gaps, 0.5) * 1000),
        "p95_gap_ms": round(percentile(gaps, 0.95) * 1000),
        "max_gap_ms": round(max(gaps) * 1000),
        "entered": room.entered,
        "failures": lost + room.failures.total(),
        "closed_with": {str(code): times for code, times in sorted(room.closed.items())},
    }
    say(f"{figures['updates_per_server_cpu_second_gross']:,} updates a CPU second, {busy.cpu_share:.0%} of a core")
    await room.empty()
    return Result(figures)


SCENARIO = Scenario(
    "gate-ws",
    "sockets of one zone, told their place every 3 s",
    run,
    10_000,
    30,
    most=16_000,  # of 20,000 files, on this side and on the gate's
    role="gate",
    env={"GATE_JOINS_PER_ADDRESS_S": "0"},
)
