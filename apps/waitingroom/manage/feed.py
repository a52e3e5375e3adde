"""The live pages of the managers: read once a second for all who watch here, encoded once a zone, pushed to each.

A tick costs Redis one look at the board, of four commands (six every GATES_EVERY_TICKS), and MINUTES_A_TICK minutes of
statistics at most, however many zones there are and however many people watch. What changes slowly is read of the
database beside it (reading.py), and so is whether they still may.
"""

import asyncio
import random
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from redis.exceptions import RedisError

from apps.realtime import lifecycle, redis
from apps.realtime.clock import epoch_ms
from apps.realtime.close_codes import FORBIDDEN, NOT_FOUND, SERVICE_RESTART, TRY_AGAIN_LATER, UNAUTHORIZED
from apps.realtime.hub import push_to_all
from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.outbox import Message

from .. import store
from ..board_store import Board, board_look, board_read
from ..managers import Role
from ..metrics import LOOP_FAILURES
from . import frames
from .past import WatchedPast
from .reading import Reading, Seat
from .wall import WallRow, ZoneFacts, row_of

TICK_S = 1.0
TICK_TIMEOUT_S = 2.0
GATES_EVERY_TICKS = 5
MINUTES_A_TICK = 3
# Rows made in between two turns of the loop: a millisecond.
ROWS_AT_ONCE = 100


class Feed:
    """All open manager pages of one event loop. `ticks` is a clock in seconds."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self.reading = Reading(ticks, self._turn_away, self._learned)
        self._seats: set[Seat] = set()
        self._board: Board | None = None
        self._rows: dict[str, WallRow] = {}
        self._told: dict[str, str] = {}  # zone -> its row as JSON
        self._pasts: dict[str, dict[str, str]] = {}  # zone -> part of its past -> JSON, as sent last
        self._gates = 0
        self._tick = 0
        self._read_ms = 0  # Redis's clock at the last tick that read it
        self._is_stale = False
        self._came = asyncio.Event()
        self._pushing = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop; it runs until `stop`, and does nothing while nobody watches."""
        loop = lifecycle.keep_running("manage", self._run, failures=LOOP_FAILURES)
        self._loop = asyncio.get_running_loop().create_task(loop)
        lifecycle.on_drain(self.drain)

    async def stop(self) -> None:
        """Stop the loop."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self.reading.stop()

    # --- seats ------------------------------------------------------------------------------------------------

    def add(self, seat: Seat) -> None:
        """A page opened; it is sent everything within a second."""
        self._seats.add(seat)
        if seat.zone_id is not None:
            self.reading.pasts.setdefault(seat.zone_id, WatchedPast())
        self._came.set()

    def remove(self, seat: Seat) -> None:
        """A page closed."""
        self._seats.discard(seat)
        zone_id = seat.zone_id
        if zone_id is not None and not any(other.zone_id == zone_id for other in self._seats):
            self.reading.pasts.pop(zone_id, None)
            self._pasts.pop(zone_id, None)

    def seats(self) -> list[Seat]:
        """Every page that is open here."""
        return list(self._seats)

    # --- the loop ---------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._seats:
                self._forget()
                self._came.clear()
                await self._came.wait()
            next_at = loop.time() + TICK_S
            await self.tick()
            await asyncio.sleep(max(0.0, next_at - loop.time()))

    def _forget(self) -> None:
        """Nobody watches: what is known grows old."""
        self._board, self._rows, self._told, self._pasts = None, {}, {}, {}
        self._is_stale = False
        self.reading.forget()

    async def tick(self) -> None:
        """One reading, and the pushes that follow."""
        self._turn_away_unverified()
        wanted = self._wanted()
        commands = [board_look(gates=self._tick % GATES_EVERY_TICKS == 0 or self._board is None)]
        commands += [store.stats(zone_id, minute) for zone_id, minute in wanted]
        self._tick += 1
        try:
            async with asyncio.timeout(TICK_TIMEOUT_S):
                replies = await redis.run(commands)
            if error := redis.first_error(replies):
                raise error
        except (RedisError, OSError):
            REDIS_FAILURES.labels("manage").inc()
            self.reading.look(self._seats, None)
            await self._say_stale()
            return
        self._take(board_read(replies[0]), wanted, replies[1:])
        self.reading.look(self._seats, self._board)
        await self.push()

    async def _learned(self) -> None:
        """The database was read: what people changed is shown at once."""
        if not self._is_stale:
            await self.push()

    def _wanted(self) -> list[tuple[str, int]]:
        """The minutes of statistics to read now: of the zones whose figures are oldest."""
        ticks, minute = self._ticks(), self._minute()
        pasts = sorted(self.reading.pasts.items(), key=lambda item: item[1].read_at)
        wanted = [(zone_id, number) for zone_id, past in pasts for number in past.wants(minute, ticks)]
        return wanted[:MINUTES_A_TICK]

    def _minute(self) -> int:
        """The running minute, on Redis's clock as far as it was heard of."""
        return (self._read_ms or epoch_ms()) // 60_000

    def _take(self, board: Board, wanted: list[tuple[str, int]], replies: list[Any]) -> None:
        self._read_ms = board.now_ms
        if board.gates is None and self._board is not None:
            board = board.with_gates(self._board.gates)
        self._board, self._gates = board, len(board.gates or {})
        for (zone_id, number), reply in zip(wanted, replies, strict=True):
            if (past := self.reading.pasts.get(zone_id)) is not None:
                past.take(number, store.stats_read(reply), self._minute(), self._ticks())

    # --- pushing ----------------------------------------------------------------------------------------------

    async def push(self) -> None:
        """Make the rows anew and send what changed; everything to who has just come."""
        async with self._pushing:
            try:
                await self._push()
            except Exception:
                for seat in self._seats:  # nobody knows who was sent what: the next one is whole
                    seat.is_greeted = False
                raise

    async def _push(self) -> None:
        facts, board = self.reading.facts, self._board
        if facts is None or board is None:
            return
        is_whole, self._is_stale = self._is_stale, False
        gone = self._rows.keys() - facts.keys()
        for zone_id in gone:
            del self._rows[zone_id], self._told[zone_id]
        changed = set()
        for number, (zone_id, each) in enumerate(list(facts.items()), start=1):
            row = row_of(each, board.lines.get(zone_id), now_ms=board.now_ms, is_served=self._gates > 0)
            if self._rows.get(zone_id) != row:
                self._rows[zone_id], self._told[zone_id] = row, row.to_json()
                changed.add(zone_id)
            if number % ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
        groups: defaultdict[tuple[Any, bool, Role | None], list[Seat]] = defaultdict(list)
        for seat in self._seats:
            if seat.outbox.is_slow:
                seat.is_greeted = False  # it misses this one, so the next is to be whole
            else:
                whole = is_whole or not seat.is_greeted
                groups[seat.zone_id or seat.zones, whole, seat.role if whole else None].append(seat)
        parts = {zone_id: self._past_changes(zone_id) for zone_id in self.reading.pasts}
        for (shown, whole, role), seats in groups.items():
            if isinstance(shown, str):
                text = self._zone_frame(shown, facts, parts.get(shown, {}), whole=whole, role=role)
            else:
                rows = [self._told[zone_id] for zone_id in (shown if whole else changed & shown) & self._told.keys()]
                text = frames.wall(rows, gone & shown, at=self._read_ms, gates=self._gates, whole=whole)
            if text is not None:
                await _send(seats, text)
                for seat in seats:
                    seat.is_greeted = True

    def _past_changes(self, zone_id: str) -> dict[str, str]:
        """The parts of a zone's past that differ from what was sent last."""
        known, board = self.reading.pasts[zone_id], self._board
        now = known.told(zone_id, self._minute(), (board and board.gates) or {})
        if now is None:
            return {}
        before = self._pasts.get(zone_id, {})
        self._pasts[zone_id] = before | now
        return {name: text for name, text in now.items() if before.get(name) != text}

    def _zone_frame(
        self, zone_id: str, facts: Mapping[str, ZoneFacts], parts: dict[str, str], *, whole: bool, role: Role | None
    ) -> str | None:
        """None while a page that has just come would be sent half of it. `facts` are those that rows were made of."""
        board = self._board
        parts = self._pasts.get(zone_id, {}) if whole else parts
        if zone_id not in facts or board is None or (whole and not parts):
            return None
        bearing, row = board.lines.get(zone_id), self._told[zone_id]
        at, gates = self._read_ms, self._gates
        return frames.zone(facts[zone_id], bearing, row, parts, at=at, gates=gates, whole=whole, role=role)

    async def _say_stale(self) -> None:
        seats = [seat for seat in self._seats if not self._is_stale or not seat.is_greeted]
        self._is_stale = True
        await _send(seats, frames.stale(self._read_ms))
        for seat in seats:
            seat.is_greeted = True

    # --- who may stay -----------------------------------------------------------------------------------------

    def _turn_away(self) -> None:
        """Close the pages of those who may no longer look, and tell the others what they may."""
        for seat, zones in self.reading.verdicts(self._seats):
            if zones is None:
                seat.dismiss(UNAUTHORIZED, "signed_out: sign in again")
            elif seat.zone_id is None:
                if not zones:
                    seat.dismiss(FORBIDDEN, "role_removed: you manage no zone any more")
                elif frozenset(zones) != seat.zones:
                    seat.zones, seat.is_greeted = frozenset(zones), False
            elif (role := zones.get(seat.zone_id)) is None:
                if self.reading.facts is not None and seat.zone_id not in self.reading.facts:
                    seat.dismiss(NOT_FOUND, "unknown_zone: it is gone")
                else:
                    seat.dismiss(FORBIDDEN, "role_removed: this zone is not yours any more")
            elif role != seat.role:
                seat.role = role
                seat.outbox.push(_message(frames.role(role)))

    def _turn_away_unverified(self) -> None:
        """Close every page while nobody can tell who may look; a reading that fails or hangs does not say so itself."""
        if self.reading.is_blind:
            for seat in self._seats:
                seat.dismiss(TRY_AGAIN_LATER, "unverified: nobody can tell now what you may see")

    async def drain(self, deadline: float) -> None:
        """Ask every page to come back elsewhere and close its socket, in batches until the deadline."""
        waiting = self.seats()
        random.shuffle(waiting)
        await lifecycle.dismiss_in_batches(waiting, _send_away, deadline=deadline)


def _send_away(seat: Seat) -> None:
    seat.outbox.push(_message(frames.reconnect(lifecycle.RECONNECT_WITHIN_MS)))
    seat.dismiss(SERVICE_RESTART, "draining: come back in a moment")


def _message(text: str) -> Message:
    return {"type": "websocket.send", "text": text}


async def _send(seats: list[Seat], text: str) -> None:
    await push_to_all([seat.outbox for seat in seats], _message(text))


_feeds: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = weakref.WeakKeyDictionary()


def manage_feed() -> Feed:
    """The running event loop's feed, started at the first call."""
    loop = asyncio.get_running_loop()
    feed = _feeds.get(loop)
    if feed is None:
        feed = _feeds[loop] = Feed()
        feed.start()
    return feed


async def manage_feed_stop() -> None:
    """Stop this event loop's feed; the next call of `manage_feed` makes a new one."""
    feed = _feeds.pop(asyncio.get_running_loop(), None)
    if feed is not None:
        await feed.stop()
