"""The gatehouse: everything of the waiting room that runs beside the requests on one event loop.

It follows the catalogue of zones, keeps one keeper a zone, reads the lines of those zones that somebody asks about once
a second, and tells Redis a moment after the first of a batch who joins, claims and leaves. Calls for the zones of one
Redis node travel as one pipeline over connections of their own; a node that is away holds up its own zones only.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from redis.exceptions import RedisError

from apps.realtime import lifecycle, redis
from apps.realtime.metrics import REDIS_FAILURES

from .catalogue import FOLLOW_EVERY_S, Catalogue
from .desk import Call
from .follower import PULSE_EVERY_S
from .keeper import ZoneKeeper
from .metrics import LOOP_FAILURES, POLLS, STALE_ZONES, STRAIN, ZONES_AWAKE
from .pacing import Strain
from .rules import ZoneRules
from .teller import Teller
from .turnstile import Turnstile

logger = logging.getLogger(__name__)

# Long enough to gather a crowd into one call: at most a hundred calls a second, however many wait. Not longer, because
# a join holds a connection of the load balancer for that long.
FLUSH_DELAY_S = 0.01
# A call that takes longer is given up; all of them may be repeated. Less than the age at which a snapshot is too old.
CALL_TIMEOUT_S = 2.0
# Calls in one pipeline. Lines of many zones are read in several, each of them at most some megabytes.
CALLS_AT_ONCE = 64
# Readings taken in between two turns of the loop: one of a million takes 3 ms.
READINGS_AT_ONCE = 2
# Pulses are this long after a whole second, each process at a moment of its own; those due within TOGETHER_S are one.
PHASE_MS = (25, 125)
TOGETHER_S = 0.02


class Gatehouse:
    """The gate of one process. Every method runs on its event loop."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        """`ticks` is a clock in seconds; it need not be right nor agree with anybody's, only run evenly."""
        self.server = secrets.token_hex(6)
        self.ticks = ticks
        self.strain = Strain()
        self.phase_ms = random.randint(*PHASE_MS)
        self.turnstile = Turnstile(ticks, self.strain)
        self.catalogue = Catalogue(self._changed, self._dropped)
        self._zones: dict[str, ZoneKeeper] = {}
        self.teller = Teller(self.server, ticks, self._zones)
        self._dirty: set[str] = set()
        self._flush: asyncio.TimerHandle | None = None
        self._roused = asyncio.Event()
        self._look_again = asyncio.Event()
        self._read = asyncio.Event()
        self._looked = asyncio.Event()  # set, and another in its place, after each look at the catalogue
        self._loops: list[asyncio.Task[None]] = []
        self._beside: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the loops; they run until `stop`."""
        loop = asyncio.get_running_loop()
        loops: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "follow": self._follow_run,
            "pulse": self._pulse_run,
            "tell": self.teller.run,
            "turnstile": self.turnstile.run,
        }
        self._loops = [
            loop.create_task(lifecycle.keep_running(*each, failures=LOOP_FAILURES)) for each in loops.items()
        ]
        lifecycle.on_drain(self.drain)

    async def stop(self) -> None:
        """Stop the loops."""
        if self._flush is not None:
            self._flush.cancel()
        tasks = [*self._loops, *self._beside]
        while tasks:  # a call to Redis that has just been answered may swallow the first
            for task in tasks:
                task.cancel()
            tasks = list((await asyncio.wait(tasks, timeout=0.1))[1])

    # --- for the entrances ------------------------------------------------------------------------------------

    def zone(self, zone_id: str) -> ZoneKeeper | None:
        """The keeper of this zone; None if there is no such zone, or none was read yet."""
        return self._zones.get(zone_id)

    def zones(self) -> list[ZoneKeeper]:
        """All keepers."""
        return list(self._zones.values())

    @property
    def ready(self) -> bool:
        """Whether the catalogue has been read."""
        return self.catalogue.is_read

    async def wait_ready(self, seconds: float) -> bool:
        """Wait so long at most for the catalogue; whether it has been read."""
        if not self.ready:
            try:
                async with asyncio.timeout(seconds):
                    await self._read.wait()
            except TimeoutError:
                return False
        return True

    async def wait_for(self, zone_id: str) -> ZoneKeeper | None:
        """The keeper of this zone, which may have been made a moment ago: None after a look that began since."""
        if self.zone(zone_id) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_EVERY_S + CALL_TIMEOUT_S):
                    await self._looked.wait()
        return self.zone(zone_id)

    # --- for the keepers --------------------------------------------------------------------------------------

    def flush_soon(self, zone_id: str) -> None:
        """Tell Redis what this zone's desk has, together with what comes until then."""
        self._dirty.add(zone_id)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_DELAY_S, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        dirty, self._dirty = self._dirty, set()
        keepers = filter(None, map(self._zones.get, dirty))
        self._send([call for keeper in keepers for call in keeper.calls()])

    def rouse(self) -> None:
        """A line is due."""
        self._roused.set()

    def look_again(self) -> None:
        """A zone has changed."""
        self._look_again.set()

    def snapshot_came(self, zone_id: str) -> None:
        """A line was read."""
        if (keeper := self._zones.get(zone_id)) is not None:
            self.turnstile.snapshot_came(keeper)

    # --- speaking to Redis ------------------------------------------------------------------------------------

    def _send(self, calls: Iterable[Call]) -> list[asyncio.Task[None]]:
        by_node: defaultdict[str, list[Call]] = defaultdict(list)
        for call in calls:
            by_node[redis.node_of(call[0])].append(call)
        return [
            self._spawn(_deliver(group[start : start + CALLS_AT_ONCE], node))
            for node, group in by_node.items()
            for start in range(0, len(group), CALLS_AT_ONCE)
        ]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    # --- loops ------------------------------------------------------------------------------------------------

    async def _pulse_run(self) -> None:
        while True:
            self._roused.clear()
            ticks = self.ticks()
            awake = [keeper for keeper in self._zones.values() if keeper.is_awake]
            soon = ticks + TOGETHER_S
            due = [keeper for keeper in awake if keeper.due <= soon and not keeper.is_pulsing]
            self._send([call for keeper in due for call in keeper.pulse_calls()])
            # One that is late because its pulse was not answered yet rouses this loop when it is.
            next_due = min((keeper.due for keeper in awake if keeper.due > soon), default=ticks + PULSE_EVERY_S)
            try:
                async with asyncio.timeout(max(0.0, next_due - ticks)):
                    await self._roused.wait()
            except TimeoutError:
                continue

    async def _follow_run(self) -> None:
        while True:
            again = self._look_again.is_set()
            self._look_again.clear()
            looked, self._looked = self._looked, asyncio.Event()
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await self.catalogue.look(again=again)
                self._read.set()
            except (RedisError, OSError):
                REDIS_FAILURES.labels("gate_follow").inc()
            finally:
                looked.set()
            self._tidy()
            try:
                async with asyncio.timeout(FOLLOW_EVERY_S):
                    await self._look_again.wait()
            except TimeoutError:
                continue

    def _tidy(self) -> None:
        awake = [keeper for keeper in self._zones.values() if keeper.is_awake]
        for keeper in awake:
            keeper.sleep_if_idle()
            POLLS.inc(keeper.polls)
            keeper.polls = 0
        ZONES_AWAKE.set(len(awake))
        STALE_ZONES.set(sum(keeper.is_away for keeper in awake))
        STRAIN.set(self.strain.factor)

    # --- zones that come, change and go -----------------------------------------------------------------------

    def _changed(self, rules: ZoneRules) -> None:
        keeper = self._zones.get(rules.zone_id)
        if keeper is None:
            self._zones[rules.zone_id] = ZoneKeeper(rules, self)
        else:
            keeper.follow(rules)

    def _dropped(self, zone_id: str) -> None:
        keeper = self._zones.pop(zone_id, None)
        if keeper is not None:
            keeper.close()
            self._spawn(self.turnstile.dismiss_zone(keeper))

    # --- leaving ----------------------------------------------------------------------------------------------

    async def drain(self, deadline: float) -> None:
        """Tell Redis all that is to be told, and every socket to come back elsewhere. Nobody loses a place."""
        await self.tell_all()
        await self.turnstile.dismiss_all(deadline)
        await self.tell_all()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await redis.run(self.teller.goodbye())
        except (RedisError, OSError):
            REDIS_FAILURES.labels("gate_goodbye").inc()  # the register forgets by itself

    async def tell_all(self) -> None:
        """Tell Redis now whatever waits for a moment: who was heard of, joins, claims and leaves."""
        awake = [keeper for keeper in self._zones.values() if keeper.is_awake]
        calls = [call for keeper in awake for call in (*keeper.calls(), *keeper.pulse_calls(is_last=True))]
        await asyncio.gather(*self._send(calls))


async def _deliver(calls: list[Call], node: str) -> None:
    """One pipeline to one node, and each reply to who asked."""
    replies: list[Any]
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            replies = await redis.run([command for command, _ in calls], lane=node)
    except (RedisError, OSError) as error:
        replies = [error] * len(calls)
    except Exception as error:
        logger.exception("a call to Redis failed in a way that nobody foresaw")
        replies = [error] * len(calls)
    for number, ((_, take), reply) in enumerate(zip(calls, replies, strict=True), start=1):
        try:
            take(reply)
        except Exception:
            logger.exception("a reply of Redis could not be taken in")
            LOOP_FAILURES.labels("reply").inc()
        if number % READINGS_AT_ONCE == 0:
            await asyncio.sleep(0)


_gatehouses: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Gatehouse] = weakref.WeakKeyDictionary()


def gatehouse() -> Gatehouse:
    """The running event loop's gatehouse, started at the first call."""
    loop = asyncio.get_running_loop()
    house = _gatehouses.get(loop)
    if house is None:
        house = _gatehouses[loop] = Gatehouse()
        house.start()
    return house


async def gatehouse_stop() -> None:
    """Stop this event loop's gatehouse; the next call of `gatehouse` makes a new one."""
    house = _gatehouses.pop(asyncio.get_running_loop(), None)
    if house is not None:
        await house.stop()
