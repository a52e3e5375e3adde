"""What a zone says to those who wait, from snapshots that the test writes."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom.foretold import Foretold
from apps.waitingroom.outcomes import NOWHERE, Outcome
from apps.waitingroom.outlook import Minute, Outlook, learned
from apps.waitingroom.replies import Joined
from apps.waitingroom.rules import Mode
from apps.waitingroom.snapshot import Bitmap, Snapshot
from apps.waitingroom.windows import Schedule, share

from .gate import CONCERT
from .line_stage import NOON, NOON_WINDOW, bits_of

OPENING = NOON + 90_000


def snapshot(waiting: list[int], *, front: int = 0, next_: int = 0, **fields: Any) -> Snapshot:
    found = bits_of(waiting)
    line = Bitmap(*found) if found else Bitmap(0, b"")
    values = {"epoch": 1, "now_ms": NOON, "rev": 1, "used": {}, **fields}
    return Snapshot(front=front, next=next_ or max(waiting, default=-1) + 1, line=line, **values)


def outlook(
    line: Snapshot | None,
    *,
    now_ms: int = NOON,
    is_away: bool = False,
    minute: Minute = Minute(),  # noqa: B008  a tuple never changes
    foretold: Foretold | None = None,
    **rules: Any,
) -> Outlook:
    rules_now = dataclasses.replace(CONCERT, **rules)
    return Outlook(rules_now, line, now_ms=now_ms, is_away=is_away, minute=minute, foretold=foretold)


def told(view: Outlook, place: int, now_ms: int = NOON) -> Outcome:
    answer = view.answer(place, NOON - 1_000, "c", now_ms)
    assert answer is not None
    return answer


def test_who_waits_is_told_rank_total_and_time() -> None:
    view = outlook(snapshot([3, 5, 6, 9], front=4))
    five, nine = told(view, 5), told(view, 9)
    assert (five.state, five.can_enter, five.rank, five.total, five.behind) == ("waiting", False, 1, 3, 2)
    assert (nine.rank, nine.total, nine.behind, nine.place, nine.epoch) == (3, 3, 0, 9, 1)
    assert five.eta_s == nine.eta_s == 6  # six a window, and this one has called already
    assert (five.joined_ms, five.client, five.refused, five.opens_at_ms) == (NOON - 1_000, "c", "", None)
    assert told(view, 9, NOON + 2_500).eta_s == 4  # 3.5 s, and never too early
    assert told(view, 9, NOON + 6_500).eta_s == 1  # the window is open, and the snapshot from before


def test_who_joined_after_the_snapshot_stands_behind_it() -> None:
    late = told(outlook(snapshot([3, 5, 6, 9], front=4)), 12)
    assert (late.rank, late.total, late.behind) == (6, 6, 0)


def test_redis_is_asked_about_who_may_enter_and_who_is_not_in_line() -> None:
    view = outlook(snapshot([3, 5, 6, 9], front=4))
    assert view.answer(3, NOON, "c", NOON) is None  # called
    assert view.answer(2, NOON, "c", NOON) is None  # entered, evicted or left
    assert view.answer(7, NOON, "c", NOON) is None
    assert outlook(None).answer(3, NOON, "c", NOON) is None  # nothing read yet


def test_redis_is_asked_about_tickets_of_another_history() -> None:
    view = outlook(snapshot([3, 5, 6, 9], front=4))
    assert told(view, 10 + 499_999).rank == 3 + 500_000
    assert view.answer(10 + 500_000, NOON, "c", NOON) is None


def test_a_called_place_does_not_ask_while_there_is_no_room() -> None:
    full_window = outlook(snapshot([3, 5], front=4, used={NOON_WINDOW: 6}))
    answer = told(full_window, 3)
    assert (answer.rank, answer.total, answer.eta_s, answer.polling_ms) == (1, 2, 1, 6_000 + 30 + 3 * 617 % 60)
    assert full_window.answer(3, NOON, "c", NOON + 6_000) is None  # the next window
    full_minute = outlook(snapshot([3, 5], front=4), minute=Minute(60, NOON - 56_000))
    answer = told(full_minute, 3)
    assert (answer.rank, answer.polling_ms) == (1, 4_000 + 10 + 30 + 3 * 617 % 60)  # when the oldest entry leaves it
    assert full_minute.answer(3, NOON, "c", NOON + 3_009) is not None
    assert full_minute.answer(3, NOON, "c", NOON + 3_010) is None  # a claim is held for a second
    next_window = outlook(snapshot([3, 5], front=4, used={NOON_WINDOW: 6}), minute=Minute(60, NOON - 54_000))
    assert next_window.answer(3, NOON, "c", NOON + 5_999) is not None  # but not from one window into the next
    assert next_window.answer(3, NOON, "c", NOON + 6_000) is None
    assert told(outlook(snapshot([3], front=4), per_minute=0), 3, NOON + 600_000).eta_s is None


def test_a_called_place_asks_again_when_a_window_has_a_share() -> None:
    assert [share(2, NOON_WINDOW + each) for each in range(10)] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    view = outlook(snapshot([3, 5], front=4), per_minute=2)
    assert told(view, 3, NOON + 23_999).rank == 1
    assert view.answer(3, NOON, "c", NOON + 24_000) is None


@pytest.mark.parametrize(
    ("mode", "state"), [(Mode.PAUSED, "paused"), (Mode.BLOCKED, "blocked"), (Mode.OPEN, "waiting")]
)
def test_nobody_is_foretold_a_time_when_nobody_enters(mode: Mode, state: str) -> None:
    view = outlook(snapshot([3, 5], front=4), mode=mode, per_minute=0)
    assert (told(view, 5).state, told(view, 5).rank, told(view, 5).eta_s) == (state, 1, None)
    if mode is not Mode.OPEN:
        assert (told(view, 3).state, told(view, 3).rank, told(view, 3).eta_s) == (state, 1, None)


@pytest.mark.parametrize("mode", [Mode.BYPASS, Mode.OBSERVE])
def test_everybody_asks_where_everybody_enters(mode: Mode) -> None:
    view = outlook(snapshot([3, 5], front=4), mode=mode, opens_at_ms=OPENING)
    assert [view.answer(place, NOON, "c", NOON) for place in (3, 5, 99)] == [None] * 3


def test_before_the_opening() -> None:
    rules: dict[str, Any] = {"opens_at_ms": OPENING, "prequeue_from_ms": OPENING - 60_000}
    before = outlook(snapshot([]), **rules)
    assert before.changes_at_ms == OPENING - 60_000
    newcomer = before.newcomer("c", NOON, 0)
    assert (newcomer.state, newcomer.place, newcomer.opens_at_ms) == ("before", NOWHERE, OPENING)
    assert (newcomer.rank, newcomer.eta_s, newcomer.polling_ms) == (0, None, 4_500)
    drawing = outlook(snapshot([3, 5, 9]), now_ms=OPENING - 60_000, **rules)
    assert drawing.changes_at_ms == OPENING
    answer = told(drawing, 5, OPENING - 4_000)
    assert (answer.state, answer.rank, answer.total, answer.behind) == ("prequeue", 0, 3, 0)
    assert (answer.eta_s, answer.opens_at_ms, answer.polling_ms) == (None, OPENING, 4_000 + 350 + 5 * 617 % 60)
    opened = outlook(snapshot([3, 5, 9], now_ms=OPENING), now_ms=OPENING, **rules)
    assert (told(opened, 5, OPENING).state, told(opened, 5, OPENING).rank) == ("waiting", 2)
    assert told(opened, 5, OPENING).opens_at_ms is None


def test_lowering_n_is_said_for_five_minutes() -> None:
    rules: dict[str, Any] = {"slowed_at_ms": NOON}
    view = outlook(snapshot([3]), **rules)
    assert (told(view, 3).slowed, view.changes_at_ms) == (True, NOON + 300_000)
    assert told(outlook(snapshot([3]), now_ms=NOON + 300_000, **rules), 3).slowed is False
    assert told(outlook(snapshot([3])), 3).slowed is False


def test_lowering_n_is_nothing_to_who_came_afterwards() -> None:
    view = outlook(snapshot([3]), slowed_at_ms=NOON - 2_000)
    assert told(view, 3).slowed is False  # joined a second ago
    earlier = view.answer(3, NOON - 2_001, "c", NOON)
    assert earlier is not None
    assert earlier.slowed is True
    assert view.newcomer("c", NOON, 1).slowed is False


def test_with_n_zero_nobody_is_promised_a_moment_called_or_not() -> None:
    view = outlook(snapshot([3, 5], front=4), per_minute=0)
    called, behind = told(view, 3), told(view, 5)
    assert [(one.state, one.rank, one.eta_s) for one in (called, behind)] == [
        ("waiting", 1, None),
        ("waiting", 1, None),
    ]


class TestAway:
    """Redis has been away for too long."""

    def test_a_zone_that_fails_closed_holds_everybody(self) -> None:
        view = outlook(snapshot([3, 5, 9], front=4), is_away=True)
        assert (told(view, 9).state, told(view, 9).rank, told(view, 9).eta_s) == ("holding", 2, None)
        assert told(view, 3).can_enter is False
        assert told(view, 7).state == "holding"
        newcomer = view.newcomer("c", NOON, 0)
        assert (newcomer.state, newcomer.place, newcomer.total) == ("holding", NOWHERE, 2)
        assert told(outlook(None, is_away=True), 9).state == "holding"

    def test_a_zone_that_fails_open_lets_everybody_in(self) -> None:
        view = outlook(snapshot([3, 5, 9], front=4), is_away=True, fail_open=True)
        answer = told(view, 9, NOON + 77)
        assert (answer.state, answer.can_enter, answer.entered_ms) == ("admitted", True, NOON)
        newcomer = view.newcomer("c", NOON, 0)
        assert (newcomer.state, newcomer.can_enter, newcomer.place) == ("admitted", True, NOWHERE)

    def test_who_asks_again_is_given_the_same_pass_until_half_its_time_is_over(self) -> None:
        gates = [outlook(line, is_away=True, fail_open=True) for line in (snapshot([3, 5]), None)]
        moments = [told(view, 5, NOON + after).entered_ms for after in (0, 77, 299_999) for view in gates]
        moments += [view.newcomer("c", NOON + 1_000, 7).entered_ms for view in gates]
        assert set(moments) == {NOON}
        assert told(gates[0], 5, NOON + 300_000).entered_ms == NOON + 300_000

    @pytest.mark.parametrize(
        ("rules", "state"),
        [
            ({"mode": Mode.PAUSED}, "paused"),
            ({"mode": Mode.BLOCKED}, "blocked"),
            ({"per_minute": 0}, "holding"),
            ({"opens_at_ms": OPENING}, "before"),
        ],
    )
    def test_a_zone_that_lets_nobody_in_never_fails_open(self, rules: dict[str, Any], state: str) -> None:
        view = outlook(snapshot([3, 5]), is_away=True, fail_open=True, **rules)
        assert (told(view, 5).state, view.newcomer("c", NOON, 0).state) == (state, state)

    def test_a_zone_that_lets_all_in_goes_on(self) -> None:
        assert told(outlook(snapshot([3]), is_away=True, mode=Mode.BYPASS), 3).can_enter


@given(
    waiting=st.sets(st.integers(0, 400), min_size=1),
    front=st.integers(0, 400),
    rate=st.integers(1, 300),
    used=st.dictionaries(st.integers(NOON_WINDOW - 9, NOON_WINDOW), st.integers(0, 30)),
    after=st.integers(0, 900),
)
def test_answers_agree_with_a_plain_look_at_the_line(
    waiting: set[int], front: int, rate: int, used: dict[int, int], after: int
) -> None:
    line = snapshot(sorted(waiting), front=front, next_=max(*waiting, front) + 1, used=used, now_ms=NOON + 1_000)
    view = outlook(line, now_ms=NOON + 1_000, per_minute=rate, minute=Minute(rate, NOON))  # full: nobody asks
    now_ms = NOON + 1_000 + after
    uncalled = sorted(place for place in waiting if place >= front)
    for place in waiting:
        answer = told(view, place, now_ms)
        if place < front:
            assert (answer.rank, answer.total, answer.eta_s) == (1, len(uncalled) + 1, 1)
            continue
        rank = uncalled.index(place) + 1
        assert (answer.rank, answer.total, answer.behind) == (rank, len(uncalled), len(uncalled) - rank)
        eta_ms = Schedule(NOON + 1_000, rate, used).eta_ms(rank, now_ms)
        assert eta_ms is not None
        assert answer.eta_s is not None
        assert answer.eta_s == max(1, (eta_ms + 999) // 1_000)


def test_how_many_of_the_called_may_claim_at_once() -> None:
    line = snapshot([3, 5], front=4, used={NOON_WINDOW: 4})
    assert outlook(line).room(NOON) == 2
    assert outlook(line, minute=Minute(59, NOON)).room(NOON) == 1
    assert outlook(line, minute=Minute(60, NOON)).room(NOON) == 0
    assert outlook(line, minute=Minute(60, NOON - 59_000)).room(NOON + 1_010) == 1
    assert outlook(line).room(NOON + 6_000) == 6
    assert outlook(line, mode=Mode.PAUSED).room(NOON) == 0
    assert outlook(line, mode=Mode.BYPASS).room(NOON) == float("inf")
    assert outlook(line, is_away=True).room(NOON) == 0
    assert outlook(None).room(NOON) == 0


def test_the_called_who_find_no_room_come_before_who_is_called_next() -> None:
    waiting = list(range(20))
    line = snapshot(waiting, front=10, used={NOON_WINDOW: 2})  # ten are called, and this window has room for four
    view = outlook(line, minute=Minute(2, NOON - 1_000, called_living=10))
    # Six of them use the next window; of those behind six each enter in the windows after it.
    assert [told(view, place).eta_s for place in (10, 15, 16, 19)] == [12, 12, 18, 18]
    assert told(outlook(line, minute=Minute(2, NOON - 1_000, called_living=4)), 10).eta_s == 6


def test_a_time_once_told_is_not_taken_back() -> None:
    told_before = Foretold()
    line = snapshot(list(range(20)), front=5)
    assert told(outlook(line, foretold=told_before), 12).eta_s == 12
    unused = snapshot(list(range(20)), front=5, now_ms=NOON + 6_000)  # nobody was called: room was lost
    later = outlook(unused, now_ms=NOON + 6_000, foretold=told_before)
    assert told(later, 12, NOON + 6_000).eta_s == 6
    assert told(later, 18, NOON + 6_000).eta_s == 18  # was told nothing before
    assert told(outlook(unused, now_ms=NOON + 6_000), 12, NOON + 6_000).eta_s == 12
    sooner = snapshot(list(range(11, 20)), front=5, now_ms=NOON + 6_000)
    assert told(outlook(sooner, now_ms=NOON + 6_000, foretold=told_before), 18, NOON + 6_000).eta_s == 12
    told_before.forget_below(5_000)
    assert told(outlook(unused, now_ms=NOON + 6_000, foretold=told_before), 12, NOON + 6_000).eta_s == 12


@given(called=st.lists(st.integers(0, 6), max_size=14), asked=st.lists(st.integers(0, 1), min_size=14, max_size=14))
def test_two_gates_differ_by_no_more_than_the_room_that_went_unused(called: list[int], asked: list[int]) -> None:
    gates, place, front = (Foretold(), Foretold()), 40, 1
    told_by: tuple[list[int], list[int]] = ([], [])
    first, unused, used = 0, 0, {NOON_WINDOW: 6}
    for number, (count, gate) in enumerate(zip([6, *called], asked, strict=False)):  # of six, so many came
        if number:
            front, unused, used = front + count, unused + 6 - count, {**used, NOON_WINDOW + number: count}
        if front > place:
            break
        now_ms = NOON + 6_000 * number
        line = snapshot(list(range(front, 60)), front=front, now_ms=now_ms, used=used)
        eta_s = told(outlook(line, now_ms=now_ms, foretold=gates[gate]), place, now_ms).eta_s
        assert eta_s is not None
        window = NOON_WINDOW + number + eta_s // 6
        first = first or window
        assert window <= min([*told_by[gate], window]) or eta_s == 1  # the same gate never takes it back
        assert window <= first + -(-unused // 6)
        told_by[gate].append(window)


def found(line: Snapshot, **told: Any) -> tuple[int, int, dict[int, int], Minute] | None:
    """Front, next, windows and minute after newcomers were told this."""
    joined = Joined(status="ok", **{"entered_ms": line.now_ms + 5, "used": {NOON_WINDOW: 4}, "minute_used": 4, **told})
    newer = learned(line, Minute(3, NOON - 9_000, called_living=2), joined)
    return newer and (newer[0].front, newer[0].next, dict(newer[0].used), newer[1])


def test_what_newcomers_are_told_of_the_line_is_learned() -> None:
    line = snapshot([3, 5, 6, 9], front=4, now_ms=NOON + 3_000)
    minute = Minute(4, NOON - 8_000, called_living=2)
    assert found(line, front=6, log_oldest_ms=NOON - 8_000) == (6, 10, {NOON_WINDOW: 4}, minute)
    assert found(line, front=12, log_oldest_ms=NOON - 8_000) == (12, 12, {NOON_WINDOW: 4}, minute)
    assert found(line, front=2, log_oldest_ms=NOON - 8_000) == (2, 10, {NOON_WINDOW: 4}, minute)  # N was lowered
    assert (found(line, front=2, entered_ms=NOON + 3_000) or (0,))[0] == 4  # which was first nobody knows
    assert found(line, entered_ms=NOON + 2_999) is None  # before it was read
    assert found(line, entered_ms=NOON + 3_000) is not None
    assert found(line, entered_ms=NOON + 3_000, minute_used=2) is None
    assert found(line, entered_ms=NOON + 6_000) is None  # called since, nobody knows whom
    newer = learned(line, Minute(), Joined(status="ok", entered_ms=NOON + 3_001, front=12))
    assert newer is not None
    assert (told(outlook(newer[0]), 12).rank, told(outlook(newer[0]), 14).rank) == (1, 3)


def test_a_newcomers_time() -> None:
    assert outlook(snapshot([])).eta_newcomer_s(NOON) == 0
    assert outlook(snapshot([], used={NOON_WINDOW: 60}), minute=Minute(60, NOON)).eta_newcomer_s(NOON) == 60
    assert outlook(snapshot([]), mode=Mode.QUEUE_ALL).eta_newcomer_s(NOON) == 6
    assert outlook(snapshot(list(range(12)))).eta_newcomer_s(NOON) == 18
    assert outlook(snapshot([]), mode=Mode.PAUSED).eta_newcomer_s(NOON) is None
    assert outlook(None).eta_newcomer_s(NOON) is None
