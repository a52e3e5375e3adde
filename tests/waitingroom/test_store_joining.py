"""Coming, entering and leaving, call by call, on both kinds of Redis: exact answers, figures and keys."""

from dataclasses import replace
from typing import Any

import pytest

from apps.realtime.redis import sync_client
from apps.waitingroom import store
from apps.waitingroom.replies import Claimed
from apps.waitingroom.rules import Mode
from apps.waitingroom.shuffle import BLOCK, shuffled
from apps.waitingroom.store import GONE, SPENT, WAIT, Joined
from tests.waitingroom.line_stage import NOON, NOON_WINDOW, Line, both, run_one

pytestmark = both


@pytest.fixture
def line(redis_url: str) -> Line:
    """A zone that lets in sixty a minute; nobody was there yet."""
    return Line().open()


def seated(first: int, count: int, *, entered: int, waiting: int, at: int = 0) -> Joined:
    """What a batch is answered that was given these places in order."""
    return Joined(status="ok", first=first, count=count, entered=entered, entered_ms=NOON + at, waiting=waiting)


def places_given(joined: Joined) -> Joined:
    """What a batch was answered, without how the line stands behind it."""
    return replace(joined, front=0, minute_used=0, log_oldest_ms=0, used={})


def test_a_burst_enters_until_the_minute_is_full(line: Line) -> None:
    assert places_given(line.join(50)) == seated(0, 50, entered=50, waiting=0)
    line.at = 5_000
    assert places_given(line.join(30)) == seated(50, 30, entered=10, waiting=20, at=5_000)
    pulse = line.pulse()
    assert (pulse.next, pulse.front, pulse.minute_used) == (80, 60, 60)
    assert pulse.used == {NOON_WINDOW: 60}
    assert pulse.log_oldest_ms == NOON
    assert line.waiting() == list(range(60, 80))
    minute = line.minute()
    assert (minute.joins, minute.entries, minute.waiting, minute.waits) == (80, 60, 20, {0: 60})


def test_newcomers_are_told_how_the_line_stands(line: Line) -> None:
    line.join(50)
    line.at = 6_500
    joined = line.join(30)
    assert (joined.waiting, joined.front, joined.minute_used, joined.log_oldest_ms) == (20, 60, 60, NOON)
    assert joined.used == {NOON_WINDOW: 50, NOON_WINDOW + 1: 10}
    line.at = 12_000
    line.change(mode=Mode.QUEUE_ALL)
    pulse, joined = line.pulse(), line.join(1)
    assert (joined.front, joined.minute_used, joined.used) == (pulse.front, pulse.minute_used, pulse.used)
    assert joined.waiting == pulse.waiting_count + 1


def test_nobody_enters_before_one_who_waits(line: Line) -> None:
    line.join(61)
    line.at = 61_000  # the burst is forgotten, the one waits
    assert places_given(line.join(5)) == seated(61, 5, entered=0, waiting=6, at=61_000)
    line.pulse()
    assert line.claim(60, 61) == [NOON + 61_000] * 2


def test_places_of_every_size_are_marked_exactly(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL)
    places = 0
    for count in [1, 2, 5, 8, 7, 9, 16, 64, 1, 1_000, 3, 999]:
        assert line.join(count).first == places
        places += count
        assert line.waiting() == list(range(places))


def test_a_batch_sent_again_is_given_the_same_places(line: Line) -> None:
    first = line.join(70, server="one", batch=1)
    line.at = 9_000
    assert line.join(70, server="one", batch=1) == first
    assert line.join(70, server="two", batch=1).first == 70
    assert line.join(70, server="one", batch=2).first == 140
    assert line.minute().joins == 210


def test_a_claim_waits_until_it_is_called_and_has_room(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL)
    line.join(20)
    line.at = 5_999  # a pulse called six of them: the window's share
    assert line.pulse().front == 6
    assert line.claim(7, 5, 6, 0) == [WAIT, NOON + 5_999, WAIT, NOON + 5_999]
    line.at = 6_000
    assert line.claim(5) == [NOON + 5_999]  # and this step called as many as have room beside the four
    assert line.status().front == 8  # type: ignore[union-attr]
    # Seven are called of whom six may enter: whoever stands first.
    assert line.claim(*range(12, 0, -1)) == [WAIT] * 5 + [NOON + 6_000] * 2 + [NOON + 5_999] + [NOON + 6_000] * 4
    assert line.pulse().used == {NOON_WINDOW: 2, NOON_WINDOW + 1: 6}


def test_who_is_refused_for_the_minute_alone_is_told_when_it_has_room(line: Line) -> None:
    assert line.join(60).entered == 60
    line.join(9)
    line.listen(range(60, 69), until=60_009)  # ten windows later: six are called
    assert line.claimed(60, 61) == Claimed("ok", [WAIT, WAIT], NOON + 60_010)
    assert line.claimed(68) == Claimed("ok", [WAIT])  # not called
    line.at = 60_010
    assert line.claimed(*range(60, 69)) == Claimed("ok", [NOON + 60_010] * 6 + [WAIT] * 3)  # the window is full
    line.change(mode=Mode.PAUSED)
    assert line.claimed(66) == Claimed("ok", [WAIT])


def test_a_ticket_claimed_again_entered_once(line: Line) -> None:
    line.at = 700  # a pass says its moments in whole seconds
    line.join(1)
    assert line.claim(0, 0) == [NOON + 700] * 2
    line.at = 599_999
    assert line.claim(0) == [NOON + 700]
    line.at = 600_000  # nobody is given a pass that is over
    assert line.claim(0) == [SPENT]
    assert line.minute().entries == 1


def test_who_never_was_in_line_or_left_it_is_gone(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL)
    line.join(3)
    assert line.leave(1, 1, 7, 10**12).results == [True, False, False, False]
    assert line.leave(1).results == [False]
    assert line.claim(1, 3, 10**12) == [GONE] * 3
    assert line.waiting() == [0, 2]
    assert line.minute().left == 1


def test_waits_are_counted_in_eighths_of_a_doubling(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL, per_minute=600)
    line.join(10)
    line.at = 6_000
    line.pulse()
    for place, waited_ms in enumerate([0, 90, 91, 999, 1_000, 7_000, 63_000, 3_599_000]):
        line.claim(place, waited_ms=waited_ms)
    assert line.minute().waits == {0: 2, 1: 1, 7: 1, 8: 1, 24: 1, 48: 1, 94: 1}


def test_modes_that_let_nobody_in(line: Line) -> None:
    line.change(mode=Mode.PAUSED)
    assert places_given(line.join(2)) == seated(0, 2, entered=0, waiting=2)
    line.at = 6_000
    assert line.pulse().front == 0
    assert line.claim(0) == [WAIT]
    line.change(mode=Mode.BLOCKED)
    assert line.join(2) == Joined(status="closed")
    assert line.claim(0) == [WAIT]
    line.change(mode=Mode.OPEN)
    assert line.pulse().front == 2
    assert line.claim(0, 1) == [NOON + 6_000] * 2
    assert line.minute().refused == 2


@pytest.mark.parametrize(("mode", "would_wait"), [(Mode.BYPASS, 0), (Mode.OBSERVE, 61)])
def test_modes_that_let_everybody_in(line: Line, mode: Mode, would_wait: int) -> None:
    line.change(mode=Mode.QUEUE_ALL)
    line.join(100)
    line.change(mode=mode)
    line.at = 100
    assert line.pulse().front == 0
    assert line.claim(99, 0) == [NOON + 100] * 2
    assert places_given(line.join(119)) == seated(100, 119, entered=119, waiting=98, at=100)
    assert line.pulse().minute_used == 121
    assert (line.minute().entries, line.minute().would_wait) == (121, would_wait)
    # They count: who comes when the rules hold again waits for the minute.
    line.change(mode=Mode.OPEN)
    assert line.claim(1) == [WAIT]


def test_n_is_nothing(line: Line) -> None:
    line.change(per_minute=0)
    assert line.join(3).entered == 0
    line.listen(range(3), until=120_000)
    assert line.claim(0, 1, 2) == [WAIT] * 3
    line.change(per_minute=10)
    line.pulse(range(3))
    assert line.claim(0, 1, 2) == [NOON + 120_000, WAIT, WAIT]


def test_n_of_one_lets_one_in_a_minute(line: Line) -> None:
    line.change(per_minute=1)
    assert line.join(4).entered == 1
    entered: list[int] = []
    while line.at < 400_000 and len(entered) < 3:
        line.at += 1_000
        line.pulse(range(4))
        entered += [line.at for result in line.claim(1, 2, 3) if result == line.now_ms]
    assert all(later - earlier >= 60_000 for earlier, later in zip([0, *entered], entered, strict=False))
    assert len(entered) == 3


def test_before_the_opening_nobody_gets_a_place(line: Line) -> None:
    line.change(opens_at_ms=NOON + 60_000, prequeue_from_ms=NOON + 30_000)
    line.at = 29_999
    assert line.join(5) == Joined(status="closed")
    line.at = 60_000
    assert places_given(line.join(5)) == seated(0, 5, entered=5, waiting=0, at=60_000)
    assert line.minute().refused == 5


def test_the_pre_queue_is_drawn_by_lot(line: Line) -> None:
    seed = 2**53 - 7
    line.join(63)  # sixty enter, three wait from the day before
    line.at = 100_000
    line.change(opens_at_ms=NOON + 180_000, prequeue_from_ms=NOON + 90_000, seed=seed, mode=Mode.QUEUE_ALL)
    places = [BLOCK + shuffled(seed, index) for index in range(1_005)]
    joined = line.join(1_000)
    assert (joined.status, joined.shuffled, joined.places, joined.entered) == ("ok", True, places[:1_000], 0)
    assert line.join(1_000, batch=line.batch) == joined
    assert line.join(5, server="two").places == places[1_000:]
    assert line.waiting() == [60, 61, 62, *sorted(places)]
    assert line.listen([60, 61, 62, *places], until=179_999).front == 60
    assert line.claim(60, places[0]) == [WAIT, WAIT]
    # The opening: those of the day before, then the lot, then who comes now.
    line.at = 180_000
    late = line.join(1).first
    assert late == 2 * BLOCK
    in_order = [60, 61, 62, *sorted(places)]
    assert line.pulse().front == in_order[5] + 1
    assert line.claim(*places, 60, 61, 62, late).count(NOON + 180_000) == 6
    assert line.waiting() == [*in_order[6:], late]


def test_the_draw_of_another_day_begins_beyond_everybody(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL, opens_at_ms=NOON + 10, prequeue_from_ms=NOON - 10, seed=5)
    assert line.join(1).places == [shuffled(5, 0)]
    line.at = 20
    assert line.join(1).first == BLOCK
    line.change(opens_at_ms=NOON + 50, prequeue_from_ms=NOON + 20)
    assert line.join(2).places == [2 * BLOCK + shuffled(5, index) for index in range(2)]


def test_a_failover_in_the_pre_queue_gives_no_place_twice(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL, opens_at_ms=NOON + 90_000, prequeue_from_ms=NOON - 10, seed=5)
    line.join(3)
    line.fail_over()
    assert line.join(2).places == [shuffled(5, index) for index in (1_048_579, 1_048_580)]


def test_a_line_that_is_not_there_or_of_another_epoch_is_not_touched(line: Line) -> None:
    stranger = Line("stranger")
    assert stranger.join(1) == Joined(status="lost")
    assert (stranger.pulse().status, stranger.evict().status, stranger.leave(1).status) == ("lost", "lost", "lost")
    assert store.claim_read(run_one(store.claim(zone_id="stranger", epoch=1, places=[(1, 0)]))).status == "lost"
    assert (stranger.names(), stranger.status()) == (set(), None)
    line.epoch = 2
    before = line.names()
    assert line.join(1) == Joined(status="epoch", epoch=1)
    pulse = line.pulse()
    assert (pulse.status, pulse.epoch, pulse.bits) == ("epoch", 1, None)
    assert line.leave(1).status == "epoch"
    assert line.names() == before


def test_the_largest_calls_are_within_what_lua_unpacks(line: Line) -> None:
    line.change(mode=Mode.QUEUE_ALL, per_minute=10_000_000, opens_at_ms=NOON + 1_000, prequeue_from_ms=NOON - 1)
    drawn = line.join(store.JOINS_PER_CALL).places
    assert drawn is not None
    line.at = 6_000
    assert line.join(store.JOINS_PER_CALL).first == BLOCK
    line.pulse()
    claimed = drawn[: store.CLAIMS_PER_CALL]
    assert line.claim(*claimed) == [NOON + 6_000] * len(claimed)
    assert line.leave(*drawn).results == [False] * 500 + [True] * 500
    assert line.waiting() == list(range(BLOCK, BLOCK + 1_000))


def test_redis_keeps_time_when_nobody_says_it(line: Line) -> None:
    client: Any = sync_client()
    seconds, micros = client.time()
    joined = store.join_read(run_one(store.join(zone_id="z", epoch=1, server="one", batch=1, count=1)))
    assert 0 <= joined.entered_ms - (seconds * 1_000 + micros // 1_000) < 5_000


def test_a_pass_is_redeemed_once(line: Line) -> None:
    def redeem(**other: Any) -> int:
        values = {"zone_id": "z", "place": 7, "issued_ms": NOON, "pass_s": 600, "client": "a", "now_ms": NOON, **other}
        return int(run_one(store.redeem(**values)))

    once = store.redeem(zone_id="z", place=7, issued_ms=NOON, pass_s=600, client="a", now_ms=NOON)
    assert [run_one(once), run_one(once)] == [1, 1]  # sent again after a lost connection
    assert redeem() == 0
    assert (redeem(place=8), redeem(client="b"), redeem(issued_ms=NOON + 1_000), redeem(zone_id="y")) == (1, 1, 1, 1)
    assert redeem(place=9, now_ms=NOON + 719_999) == 1
    assert redeem(place=10, now_ms=NOON + 720_000) == 0
