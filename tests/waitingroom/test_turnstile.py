"""Sockets that wait: told their place as the wheel goes round, and let in as soon as they are called."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from apps.realtime.close_codes import NOT_FOUND, SERVICE_RESTART
from apps.realtime.outbox import Message, Outbox
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.metrics import LOOP_FAILURES
from apps.waitingroom.outcomes import NOWHERE, Outcome
from apps.waitingroom.rules import Mode
from apps.waitingroom.tickets import TicketClaims
from apps.waitingroom.turnstile import BUCKETS
from tests.realtime.peers import Peer
from tests.services.waiting import eventually_async

from .gate import line_of, zone_change, zone_open
from .gates import Gate, claimed_places, ticket


class WaitingSeat:
    """What the consumer is to the turnstile: it remembers what it was shown."""

    def __init__(self, claims: TicketClaims | None, keeper: ZoneKeeper | None = None) -> None:
        self.claims = claims
        self.keeper = keeper
        self.may_join = True
        self.peer = Peer()
        self.outbox = Outbox(self.peer, self._abandon)
        self.shown: list[Outcome] = []
        self.dismissed: list[tuple[int, str]] = []

    def _abandon(self) -> None:
        raise AssertionError("nobody is given up here")

    async def join(self) -> Outcome | None:
        return await self.keeper.join("client") if self.keeper is not None and self.may_join else None

    def show(self, outcome: Outcome) -> None:
        self.shown.append(outcome)

    def dismiss(self, code: int, reason: str) -> None:
        self.dismissed.append((code, reason.partition(":")[0]))

    def reconnect_message(self, within_ms: int) -> Message:
        return {"type": "websocket.send", "text": f"reconnect {within_ms}"}

    @property
    def said(self) -> list[tuple[str, int]]:
        """State and rank of everything shown, or why it was turned away."""
        return [(each.refused or each.state, each.rank) for each in self.shown]


@pytest_asyncio.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    yield Gate()


async def seated(gate: Gate, keeper: ZoneKeeper, count: int) -> list[WaitingSeat]:
    """So many newcomers with an open socket each."""
    seats = [WaitingSeat(ticket(outcome)) for outcome in await gate.join(keeper, count)]
    for seat in seats:
        gate.house.turnstile.add(keeper, seat)
    return seats


async def go_round(gate: Gate) -> None:
    """The wheel, once."""
    for index in range(BUCKETS):
        await gate.house.turnstile.turn(index)


async def read(gate: Gate) -> None:
    """Read the line, and let claims that follow from it come back, though a batch of the gate's own may have them."""
    await gate.house.tell_all()

    async def claims_are_back() -> bool:
        await gate.house.tell_all()
        await asyncio.sleep(0)
        return not any(hall.claiming for hall in gate.house.turnstile._halls.values())

    await eventually_async(claims_are_back, every=0.01)


async def test_every_socket_is_told_once_a_turn(gate: Gate) -> None:
    zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    seats = await seated(gate, keeper, 65)
    await gate.house.tell_all()
    buckets = [sum(len(seat.shown) for seat in seats)]
    for index in range(BUCKETS):
        await gate.house.turnstile.turn(index)
        buckets.append(sum(len(seat.shown) for seat in seats))
    assert {after - before for before, after in itertools.pairwise(buckets)} == {2, 3}  # spread evenly
    assert [seat.said for seat in seats] == [[("paused", rank)] for rank in range(1, 66)]
    assert (len(gate.house.turnstile), keeper.sockets) == (65, 65)


async def test_an_open_socket_is_heard_of(gate: Gate) -> None:
    zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    await seated(gate, keeper, 3)
    await gate.house.tell_all()
    keeper.presence.turn()
    assert keeper.presence.take() is None
    await go_round(gate)
    keeper.presence.turn()
    assert keeper.presence.take() == (0, bytes([0b11100000]))


async def test_who_closed_is_told_nothing_more(gate: Gate) -> None:
    zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    gone, stays = await seated(gate, keeper, 2)
    for _ in range(2):
        gate.house.turnstile.remove(gone)
    await go_round(gate)
    assert (len(gone.shown), len(stays.shown)) == (0, 1)
    gate.house.turnstile.remove(stays)
    assert (len(gate.house.turnstile), keeper.sockets) == (0, 0)


async def test_the_called_are_let_in_as_soon_as_the_line_was_read(gate: Gate) -> None:
    rules = zone_open(mode=Mode.PAUSED, per_minute=30)  # three a window
    keeper = await gate.zone()
    seats = await seated(gate, keeper, 10)
    zone_change(rules, mode=Mode.OPEN)
    keeper = await gate.zone()
    await read(gate)

    async def three_entered() -> bool:
        await gate.house.tell_all()
        return sum(seat.said[-1:] == [("admitted", 0)] for seat in seats) >= 3

    await eventually_async(three_entered, deadline=5, every=0.01)
    entered = [number for number, seat in enumerate(seats) if seat.shown and seat.shown[-1].can_enter]
    assert entered == list(range(len(entered)))  # in order of places
    assert len(gate.house.turnstile) == 10 - len(entered)
    assert (await line_of()).waiting == 10 - len(entered)


async def test_no_more_claims_than_there_is_room(gate: Gate) -> None:
    rules = zone_open(mode=Mode.PAUSED, per_minute=600)
    keeper = await gate.zone()
    seats = await seated(gate, keeper, 20)
    zone_change(rules, mode=Mode.QUEUE_ALL)
    keeper = await gate.zone()  # sixty may enter: all twenty are called
    assert keeper.called_below == 20
    await read(gate)
    assert all(seat.shown[-1].can_enter for seat in seats)
    # A called crowd, and a window with room for five of them.
    await seated(gate, keeper, 30)
    snapshot = keeper.snapshot
    assert snapshot is not None
    window = keeper.clock.now_ms() // 6_000
    crowded = dataclasses.replace(snapshot, front=snapshot.next, used={window: 55})
    keeper.view.review(gate.ticks(), crowded)
    gate.house.turnstile.snapshot_came(keeper)
    gate.house.turnstile.snapshot_came(keeper)
    [(command, _)] = keeper.calls()
    assert claimed_places(command) == [*range(20, 25)]


async def test_all_tabs_of_a_ticket_are_let_in_by_one_claim(gate: Gate) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    [first] = await seated(gate, keeper, 1)
    second = WaitingSeat(first.claims)
    gate.house.turnstile.add(keeper, second)
    gate.house.turnstile.remove(first)
    reloaded = WaitingSeat(first.claims)
    gate.house.turnstile.add(keeper, reloaded)
    zone_change(rules, mode=Mode.QUEUE_ALL, per_minute=600)
    await gate.zone()
    await read(gate)
    assert first.shown == []
    assert second.shown[-1] == reloaded.shown[-1]
    assert second.shown[-1].can_enter
    assert len(gate.house.turnstile) == 0
    assert (await line_of()).waiting == 0


async def test_a_cleared_line_turns_its_sockets_away(gate: Gate) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    seats = await seated(gate, keeper, 2)
    zone_change(rules, epoch=2)
    await gate.zone()
    await go_round(gate)
    assert [seat.said for seat in seats] == [[("cleared", 0)]] * 2
    assert len(gate.house.turnstile) == 0


async def test_who_was_given_no_place_gets_one_when_the_zone_gives_them(gate: Gate) -> None:
    rules = zone_open(mode=Mode.BLOCKED)
    keeper = await gate.zone()
    seat = WaitingSeat(None, keeper)
    gate.house.turnstile.add(keeper, seat)

    async def shown(what: tuple[str, int]) -> None:
        async def look() -> bool:
            await go_round(gate)
            await gate.house.tell_all()
            return seat.said[-1:] == [what]

        await eventually_async(look, deadline=5, every=0.01)

    await shown(("blocked", 0))
    assert seat.shown[-1].place == NOWHERE
    seat.may_join = False

    async def nobody_is_asking() -> bool:  # what was asked before that is answered while the zone gives no places
        await gate.house.tell_all()
        return not gate.house.turnstile._joins

    await eventually_async(nobody_is_asking, every=0.01)
    zone_change(rules, mode=Mode.PAUSED)
    await gate.zone()
    for _ in range(3):  # its address has taken too many: it stays, and asks again
        await go_round(gate)
        await gate.house.tell_all()
    assert (seat.said[-1], (await line_of()).next) == (("blocked", 0), 0)
    seat.may_join = True
    await shown(("paused", 1))
    assert seat.claims == ticket(seat.shown[-1])
    zone_change(dataclasses.replace(rules, version=2), mode=Mode.QUEUE_ALL, per_minute=600)
    await gate.zone()
    await shown(("admitted", 0))
    assert (await line_of()).next == 1


async def test_a_page_that_is_loaded_again_and_again_takes_no_memory(gate: Gate) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    turnstile = gate.house.turnstile
    stays, [claims, called] = await seated(gate, keeper, 1), map(ticket, await gate.join(keeper, 2))
    for each in [claims] * 500 + [called] * 500:
        seat = WaitingSeat(each)
        turnstile.add(keeper, seat)
        turnstile.remove(seat)
    hall = turnstile._halls[keeper]
    assert (hall.order, hall.called) == ([0, 1, 2], [])
    zone_change(rules, mode=Mode.QUEUE_ALL, per_minute=600)
    await gate.zone()
    for _ in range(3):
        await read(gate)
    assert stays[0].shown[-1].can_enter
    back = WaitingSeat(called)  # was called while nobody had its page open
    turnstile.add(keeper, stays[0])
    turnstile.add(keeper, back)
    for _ in range(3):
        await read(gate)
    assert back.shown[-1].can_enter


async def test_a_seat_that_fails_does_not_end_the_turn(gate: Gate) -> None:
    class Broken(WaitingSeat):
        def show(self, outcome: Outcome) -> None:
            raise OverflowError("unsigned int is greater than maximum")

    zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    before = LOOP_FAILURES.labels("seat")._value.get()
    bad = [Broken(ticket(outcome)) for outcome in await gate.join(keeper, BUCKETS)]
    for seat in bad:
        gate.house.turnstile.add(keeper, seat)
    good = await seated(gate, keeper, BUCKETS)
    await go_round(gate)
    assert [len(seat.shown) for seat in good] == [1] * BUCKETS
    assert LOOP_FAILURES.labels("seat")._value.get() == before + BUCKETS


async def test_sockets_of_a_zone_that_goes_are_closed(gate: Gate) -> None:
    zone_open(mode=Mode.PAUSED)
    zone_open(zone_id="other", mode=Mode.PAUSED)
    keeper, other = await gate.zone(), await gate.zone("other")
    seats = await seated(gate, keeper, 2)
    stays = WaitingSeat(None)
    gate.house.turnstile.add(other, stays)
    await gate.house.turnstile.dismiss_zone(keeper)
    assert [seat.dismissed for seat in seats] == [[(NOT_FOUND, "unknown_zone")]] * 2
    assert (stays.dismissed, len(gate.house.turnstile)) == ([], 1)


async def test_a_draining_gate_asks_everybody_to_come_back_and_loses_nobody(gate: Gate) -> None:
    zone_open(mode=Mode.PAUSED)
    keeper = await gate.zone()
    seats = await seated(gate, keeper, 600)
    await gate.house.drain(asyncio.get_running_loop().time() + 10)
    said: set[Any] = {(tuple(seat.peer.texts), tuple(seat.dismissed)) for seat in seats}
    assert said == {(("reconnect 5000",), ((SERVICE_RESTART, "draining"),))}
    assert len(gate.house.turnstile) == 0
    assert (await line_of()).waiting == 600
