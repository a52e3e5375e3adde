"""Claims that only the minute has no room for: held, repeated when it has, and let go of in time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apps.waitingroom.desk import AGAIN_S, HELD_MOST, UNHEARD_PASS_S, Desk
from apps.waitingroom.pacing import HOLD_MS
from apps.waitingroom.redis_clock import RedisClock
from apps.waitingroom.replies import WAIT
from tests.services.waiting import eventually_async

from .gates import Ticks, claimed_places

NOON = 1_772_334_000_000
EPOCH = 7

Take = Callable[[Any], None]


class Room:
    """A desk, and whom it has let in. Its clock goes on only with `ticks.ahead` and the test's own time."""

    def __init__(self, *, pass_s: int = 600) -> None:
        self.ticks = Ticks()
        self.flushes = 0
        self.entered: list[int] = []
        clock = RedisClock(self.ticks)
        clock.heard(NOON)
        self.desk = Desk(
            "concert",
            "one",
            clock,
            flush_soon=self._flush_soon,
            trouble=lambda _status: None,
            entered=self.entered.append,
            joined=lambda _joined: None,
            pass_s=lambda: pass_s,
        )

    def _flush_soon(self) -> None:
        self.flushes += 1

    def sent(self) -> tuple[list[int], Take] | None:
        """The places that are claimed for now, and what takes the reply; None: nothing is sent."""
        calls = list(self.desk.calls(EPOCH))
        if not calls:
            return None
        [(command, take)] = calls
        return claimed_places(command), take

    def must_send(self) -> tuple[list[int], Take]:
        sent = self.sent()
        assert sent is not None
        return sent

    async def sent_again(self) -> tuple[list[int], Take]:
        """What the desk sends by itself, sooner or later."""

        async def again() -> tuple[list[int], Take]:
            return self.must_send()

        return await eventually_async(again, every=0.005)


async def test_a_held_claim_is_repeated_and_answered_once() -> None:
    room = Room()
    first, second, third = (room.desk.claim(place, 5_000) for place in (3, 4, 9))
    places, take = room.must_send()
    assert places == [3, 4, 9]
    held_at = asyncio.get_running_loop().time()
    take([b"ok", [NOON, WAIT, WAIT], NOON + 100])
    assert (first.result(), second.done(), third.done(), room.sent()) == (NOON, False, False, None)
    assert room.desk.claim(4, 5_000) is second  # who asks meanwhile shares it
    flushes = room.flushes

    places, take = await room.sent_again()
    assert asyncio.get_running_loop().time() - held_at >= AGAIN_S
    assert (places, room.flushes) == ([4, 9], flushes + 1)
    take([b"ok", [NOON + 150, WAIT], 0])  # the window is full: that is not waited for
    assert (second.result(), third.result()) == (NOON + 150, WAIT)
    assert (room.entered, room.desk.is_empty) == ([3, 4], True)


@pytest.mark.parametrize("late_ms", [2 * HOLD_MS, 30_000])
async def test_room_that_comes_too_late_is_not_waited_for(late_ms: int) -> None:
    room = Room()
    future = room.desk.claim(3, 5_000)
    _, take = room.must_send()
    take([b"ok", [WAIT], NOON + late_ms])
    assert future.result() == WAIT


async def test_a_claim_is_held_no_longer_in_all_however_often_it_is_repeated() -> None:
    room = Room()
    future = room.desk.claim(3, 5_000)
    _, take = room.must_send()
    take([b"ok", [WAIT], NOON + HOLD_MS // 2])

    _, take = await room.sent_again()
    take([b"ok", [WAIT], NOON + 2 * HOLD_MS])
    assert future.result() == WAIT


async def test_few_requests_are_held_and_all_claims_repeated() -> None:
    room = Room()
    futures = {place: room.desk.claim(place, 5_000) for place in reversed(range(HELD_MOST + 4))}
    _, take = room.must_send()
    take([b"ok", [WAIT] * len(futures), NOON + 100])
    answered = {place: future.result() for place, future in futures.items() if future.done()}
    assert answered == dict.fromkeys(range(HELD_MOST, HELD_MOST + 4), WAIT)
    assert room.desk.claim(HELD_MOST, 5_000).result() == WAIT  # whoever asks again meanwhile is not held either
    late = room.desk.claim(100, 0)
    places, take = room.must_send()
    assert places == [100]
    take([b"ok", [WAIT], NOON + 500])
    assert late.result() == WAIT

    places, take = await room.sent_again()
    assert places == list(range(HELD_MOST + 4))
    take([b"ok", [NOON + 150] * len(places), 0])
    assert {future.result() for place, future in futures.items() if place < HELD_MOST} == {NOON + 150}
    assert room.entered == places
    again = room.desk.claim(101, 0)  # those who were held are gone: there is room to hold another
    _, take = room.must_send()
    take([b"ok", [WAIT], NOON + 700])
    assert not again.done()


async def test_nobody_enters_unheard_whose_pass_could_be_over_at_the_next_poll() -> None:
    room = Room(pass_s=UNHEARD_PASS_S - 1)
    futures = {place: room.desk.claim(place, 5_000) for place in range(HELD_MOST + 4)}
    _, take = room.must_send()
    take([b"ok", [WAIT] * len(futures), NOON + 100])
    places, take = await room.sent_again()
    assert places == list(range(HELD_MOST))
    take([b"ok", [NOON + 150] * HELD_MOST, 0])
    assert [future.result() for future in futures.values()] == [NOON + 150] * HELD_MOST + [WAIT] * 4
    assert (room.entered, room.desk.is_empty) == (places, True)


async def test_a_held_claim_goes_with_its_line() -> None:
    room = Room()
    future = room.desk.claim(3, 5_000)
    _, take = room.must_send()
    take([b"ok", [WAIT], NOON + 100])
    room.desk.start_anew()
    assert (future.result(), room.desk.is_empty) == (None, True)
    other = room.desk.claim(3, 0)  # somebody else's place, in the new line
    places, take = room.must_send()
    assert places == [3]
    flushes = room.flushes
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, passed.set)  # behind the moment at which it would have been repeated
    await passed.wait()
    assert (room.sent(), room.flushes) == (None, flushes)
    take([b"ok", [NOON + 300], 0])
    assert other.result() == NOON + 300


async def test_a_lost_reply_ends_what_was_held() -> None:
    room = Room()
    future = room.desk.claim(3, 5_000)
    _, take = room.must_send()
    take([b"ok", [WAIT], NOON + 60])

    _, take = await room.sent_again()
    take(OSError("away"))
    assert (future.result(), room.desk.is_empty) == (None, True)
