"""The turnstile: every open socket of this process, told its place every TURN_S, and let in the moment it may.

A wheel of buckets goes round once every TURN_S; each socket sits in one, so that the work is spread evenly. When a
zone's line was read, sockets that have been called since do not wait for their turn: as many as the window has room for
are claimed for at once, in order of their places.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from apps.realtime import lifecycle
from apps.realtime.close_codes import NOT_FOUND, SERVICE_RESTART
from apps.realtime.outbox import Message, Outbox

from .keeper import ZoneKeeper
from .metrics import LOOP_FAILURES, SEATS
from .outcomes import NOWHERE, Outcome
from .pacing import Strain
from .tickets import TicketClaims

logger = logging.getLogger(__name__)

TURN_S = 3.0
BUCKETS = 30
# Sockets between two turns of the event loop: 200 updates take about 5 ms, so that a poll never waits longer.
BATCH = 200


class Seat(Protocol):
    """A socket that waits: the consumer, as the turnstile sees it."""

    claims: TicketClaims | None  # None: no place yet; the turnstile asks for one when the zone gives them
    outbox: Outbox

    async def join(self) -> Outcome | None:
        """Ask for a place; None if this address may have none yet, and the turnstile asks at the next turn."""

    def show(self, outcome: Outcome) -> None:
        """Send this, and close if it ends the wait (`can_enter` or `refused`): the turnstile has let go of it then."""

    def dismiss(self, code: int, reason: str) -> None:
        """Close the socket; the turnstile has let go of it already."""

    def reconnect_message(self, within_ms: int) -> Message:
        """What tells the page to come back, with all that it needs to."""


class _Hall:
    """The sockets of one zone."""

    __slots__ = ("called", "claiming", "keeper", "order", "queued", "seats", "unplaced")

    def __init__(self, keeper: ZoneKeeper) -> None:
        self.keeper = keeper
        self.seats: dict[int, list[Seat]] = {}  # by place: a person may have several tabs
        self.order: list[int] = []  # heap of places not yet called; those that left are passed over
        self.called: list[int] = []  # places that are called and have not entered, lowest first
        self.queued: set[int] = set()  # places in either heap: who comes back is there already
        self.claiming: set[int] = set()
        self.unplaced: set[Seat] = set()  # a place is being asked for


class Turnstile:
    """The sockets of one process."""

    def __init__(self, ticks: Callable[[], float], strain: Strain) -> None:
        self._ticks = ticks
        self._strain = strain
        self._buckets: list[dict[Seat, _Hall]] = [{} for _ in range(BUCKETS)]
        self._bucket_of: dict[Seat, int] = {}
        self._halls: dict[ZoneKeeper, _Hall] = {}
        self._joins: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._bucket_of)

    # --- who comes and goes -----------------------------------------------------------------------------------

    def add(self, keeper: ZoneKeeper, seat: Seat) -> None:
        """A socket begins to wait. It was sent its first answer, or is told at its turn, within TURN_S."""
        hall = self._halls.get(keeper)
        if hall is None:
            hall = self._halls[keeper] = _Hall(keeper)
        bucket = min(range(BUCKETS), key=lambda index: len(self._buckets[index]))
        self._buckets[bucket][seat] = hall
        self._bucket_of[seat] = bucket
        keeper.sockets += 1
        keeper.touch()
        SEATS.inc()
        if seat.claims is not None:
            self._place(hall, seat, seat.claims.place)

    def remove(self, seat: Seat) -> None:
        """A socket closed. Late or repeated, it does nothing."""
        bucket = self._bucket_of.pop(seat, None)
        if bucket is None:
            return
        hall = self._buckets[bucket].pop(seat)
        hall.keeper.sockets -= 1
        SEATS.dec()
        if seat.claims is not None:
            tabs = hall.seats.get(seat.claims.place, [])
            if seat in tabs:
                tabs.remove(seat)
            if not tabs:
                hall.seats.pop(seat.claims.place, None)
        if not hall.keeper.sockets:
            self._halls.pop(hall.keeper, None)

    def _place(self, hall: _Hall, seat: Seat, place: int) -> None:
        tabs = hall.seats.get(place)
        if tabs is None:
            hall.seats[place] = [seat]
        else:
            tabs.append(seat)
        if place not in hall.queued:
            hall.queued.add(place)
            heapq.heappush(hall.order, place)

    # --- the wheel --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Turn the wheel until cancelled."""
        due, index = self._ticks(), 0
        while True:
            late = self._ticks() - due
            self._strain.note(late)
            await self.turn(index)
            index = (index + 1) % BUCKETS
            due = max(due + TURN_S / BUCKETS, self._ticks())
            await asyncio.sleep(due - self._ticks())

    async def turn(self, index: int) -> None:
        """Tell every socket of this bucket where it stands."""
        for number, (seat, hall) in enumerate(tuple(self._buckets[index].items()), start=1):
            if seat in self._bucket_of:
                try:
                    self._tell(hall, seat)
                except Exception:
                    self._failed("a seat")  # the others are told all the same
            if number % BATCH == 0:
                await asyncio.sleep(0)

    def _tell(self, hall: _Hall, seat: Seat) -> None:
        claims = seat.claims
        if claims is None:
            self._join(hall, seat)
            return
        outcome = hall.keeper.glance(claims)
        if outcome is None:
            self._claim(hall, claims)
        else:
            self._show(seat, outcome)

    def _show(self, seat: Seat, outcome: Outcome) -> None:
        if outcome.can_enter or outcome.refused:
            self.remove(seat)
        seat.show(outcome)

    # --- newcomers whom the zone gave no place ----------------------------------------------------------------

    def _join(self, hall: _Hall, seat: Seat) -> None:
        if seat not in hall.unplaced:
            hall.unplaced.add(seat)
            task = asyncio.get_running_loop().create_task(self._join_and_show(hall, seat))
            self._joins.add(task)
            task.add_done_callback(self._joins.discard)

    async def _join_and_show(self, hall: _Hall, seat: Seat) -> None:
        try:
            outcome = await seat.join()
        except Exception:
            self._failed("a seat without a place")
            return
        finally:
            hall.unplaced.discard(seat)
        if outcome is None or seat not in self._bucket_of:
            return
        if outcome.place != NOWHERE:
            rules = hall.keeper.rules
            seat.claims = TicketClaims(rules.zone_id, outcome.epoch, outcome.place, outcome.joined_ms, outcome.client)
            self._place(hall, seat, outcome.place)
        self._show(seat, outcome)

    # --- letting in -------------------------------------------------------------------------------------------

    def snapshot_came(self, keeper: ZoneKeeper) -> None:
        """A zone's line was read: claim for those who are called, as many as there is room for."""
        hall = self._halls.get(keeper)
        if hall is None:
            return
        called_below, room = keeper.called_below, keeper.room
        while hall.order and hall.order[0] < called_below:
            heapq.heappush(hall.called, heapq.heappop(hall.order))
        if room <= 0:
            return
        passed: list[int] = []
        while hall.called and len(passed) < room:
            place = heapq.heappop(hall.called)
            tabs = hall.seats.get(place)
            if tabs and tabs[0].claims is not None:
                passed.append(place)
                self._claim(hall, tabs[0].claims)
            else:
                hall.queued.discard(place)
        for place in passed:  # until they have entered
            heapq.heappush(hall.called, place)

    def _claim(self, hall: _Hall, claims: TicketClaims) -> None:
        if claims.place not in hall.claiming:
            hall.claiming.add(claims.place)
            hall.keeper.claim(claims).add_done_callback(partial(self._claimed, hall, claims))

    def _claimed(self, hall: _Hall, claims: TicketClaims, future: "asyncio.Future[int | None]") -> None:
        hall.claiming.discard(claims.place)
        if future.cancelled():
            return
        result = future.result()
        for seat in tuple(hall.seats.get(claims.place, ())):
            if seat.claims is not None:
                try:
                    self._show(seat, hall.keeper.claimed(seat.claims, result))
                except Exception:
                    self._failed("a seat that claimed")

    def _failed(self, what: str) -> None:
        logger.exception("%s of the turnstile failed", what)
        LOOP_FAILURES.labels("seat").inc()

    # --- endings ----------------------------------------------------------------------------------------------

    async def dismiss_zone(self, keeper: ZoneKeeper) -> None:
        """The zone is gone: so are its sockets."""
        hall = self._halls.get(keeper)
        if hall is None:
            return
        seats = [seat for bucket in self._buckets for seat, its_hall in bucket.items() if its_hall is hall]
        for number, seat in enumerate(seats, start=1):
            self.remove(seat)
            seat.dismiss(NOT_FOUND, "unknown_zone: there is no such zone any more")
            if number % BATCH == 0:
                await asyncio.sleep(0)

    async def dismiss_all(self, deadline: float) -> None:
        """This process leaves: every socket is asked to come back elsewhere, in batches until the deadline (loop time).

        Places are kept: they are in the tickets.
        """
        await lifecycle.dismiss_in_batches(list(self._bucket_of), self._send_away, deadline=deadline)

    def _send_away(self, seat: Seat) -> None:
        self.remove(seat)
        seat.outbox.push(seat.reconnect_message(lifecycle.RECONNECT_WITHIN_MS))
        seat.dismiss(SERVICE_RESTART, "draining: come back in a moment")
