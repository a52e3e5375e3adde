"""Shares and schedules against plain loops and a plain model of a line: exact, and never later than foretold."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.waitingroom.windows import WINDOW_MS, Schedule, share, window_of

NOW = 1_800_000_002_345
WINDOW = window_of(NOW)
RATES = st.one_of(st.integers(1, 40), st.integers(41, 5_000), st.integers(5_001, 10_000_000))


# --- shares -------------------------------------------------------------------------------------------------------


@given(per_minute=st.integers(0, 10_000_000), window=st.integers(0, 10**12))
def test_any_ten_neighbours_share_the_minute_and_as_evenly_as_can_be(per_minute: int, window: int) -> None:
    shares = [share(per_minute, window + each) for each in range(10)]
    assert sum(shares) == per_minute
    assert set(shares) <= {per_minute // 10, -(-per_minute // 10)}


@given(per_minute=st.integers(0, 10_000_000), window=st.integers(0, 10**12))
def test_a_share_is_what_the_rule_says(per_minute: int, window: int) -> None:
    i = window % 10
    assert share(per_minute, window) == (i + 1) * per_minute // 10 - i * per_minute // 10


@pytest.mark.parametrize(
    ("per_minute", "shares"),
    [
        (0, [0] * 10),
        (1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (7, [0, 1, 1, 0, 1, 1, 0, 1, 1, 1]),
        (25, [2, 3, 2, 3, 2, 3, 2, 3, 2, 3]),
        (3000, [300] * 10),
    ],
)
def test_shares_of_some_rates(per_minute: int, shares: list[int]) -> None:
    assert [share(per_minute, window) for window in range(10)] == shares
    assert [share(per_minute, window) for window in range(300_000_000, 300_000_010)] == shares


# --- the schedule against a plain loop ----------------------------------------------------------------------------


def calls_by_window(
    now_ms: int, per_minute: int, used: Mapping[int, int], opens_at_ms: int | None
) -> Iterator[tuple[int, int]]:
    """The rule, played window by window for ever: each window after the present one and how many it calls."""
    planned = Counter(used)
    window = now_ms // 6000
    left = min(share(per_minute, window) - planned[window], per_minute - sum(planned[window - i] for i in range(10)))
    planned[window] += max(0, left)
    for j in count(window + 1):
        before = sum(planned[j - i] for i in range(1, 10))
        planned[j] = max(0, min(share(per_minute, j), per_minute - before))
        if opens_at_ms is not None and opens_at_ms > now_ms and j < opens_at_ms // 6000:
            planned[j] = 0
        yield j, planned[j]


def window_of_rank(calls: Iterator[tuple[int, int]], rank: int) -> int:
    called = 0
    for window, cap in calls:
        called += cap
        if called >= rank:
            return window
    raise AssertionError("calls never end")


USED = st.dictionaries(st.integers(WINDOW - 14, WINDOW), st.floats(0, 2.5))


@given(
    per_minute=RATES,
    used=USED,
    minutes=st.floats(0, 6),
    opens_in=st.one_of(st.none(), st.integers(-200_000, 200_000)),
)
@example(per_minute=1, used={WINDOW: 1.0}, minutes=5.0, opens_in=None)
@example(per_minute=10, used={WINDOW - 3: 2.5}, minutes=0.0, opens_in=None)  # more than N: it was lowered
def test_the_schedule_is_the_rule_played_forward(
    per_minute: int, used: dict[int, float], minutes: float, opens_in: int | None
) -> None:
    entries = {window: int(part * per_minute) for window, part in used.items()}
    rank = max(1, int(minutes * per_minute))
    opens_at_ms = None if opens_in is None else NOW + opens_in
    schedule = Schedule(NOW, per_minute, entries, opens_at_ms=opens_at_ms)
    expected = window_of_rank(calls_by_window(NOW, per_minute, entries, opens_at_ms), rank)
    assert schedule.window_for(rank) == expected
    opening = expected * WINDOW_MS if opens_at_ms is None else max(expected * WINDOW_MS, opens_at_ms)
    assert schedule.opening_ms(rank) == opening
    assert schedule.eta_ms(rank) == opening - NOW
    assert schedule.eta_ms(rank, opening - 1) == 1
    assert schedule.eta_ms(rank, opening + 1) == 0


@given(per_minute=RATES, used=USED, rank=st.integers(1, 10**9), more=st.integers(0, 10**9))
def test_nobody_is_called_before_one_who_stands_ahead(
    per_minute: int, used: dict[int, float], rank: int, more: int
) -> None:
    schedule = Schedule(NOW, per_minute, {window: int(part * per_minute) for window, part in used.items()})
    first, second = schedule.eta_ms(rank), schedule.eta_ms(rank + more)
    assert first is not None
    assert second is not None
    assert 0 < first <= second


def test_a_rank_far_back_is_reckoned_at_once() -> None:
    schedule = Schedule(NOW, 1, {})
    assert schedule.window_for(1_000_000_000) == (WINDOW // 10 + 1_000_000_000) * 10 - 1
    assert Schedule(NOW, 600, {}).eta_ms(600_000) == 10_000 * WINDOW_MS - NOW % WINDOW_MS


@pytest.mark.parametrize(("per_minute", "paused"), [(0, False), (3000, True), (0, True)])
def test_nobody_knows_when_nobody_is_called(per_minute: int, paused: bool) -> None:
    schedule = Schedule(NOW, per_minute, {WINDOW: 5}, paused)
    assert (schedule.window_for(1), schedule.opening_ms(1), schedule.eta_ms(1)) == (None, None, None)


def test_after_a_burst_the_line_waits_for_the_minute_to_end() -> None:
    schedule = Schedule(NOW, 100, {WINDOW: 100})
    assert schedule.window_for(1) == schedule.window_for(10) == WINDOW + 10
    assert schedule.window_for(11) == WINDOW + 11
    # Half of it used: five windows' shares are left, and then there is nothing until the burst is a minute old.
    half = Schedule(NOW, 100, {WINDOW - 2: 50})
    assert [half.window_for(rank) for rank in (1, 40, 41)] == [WINDOW + 1, WINDOW + 4, WINDOW + 8]


def test_nobody_is_called_before_the_opening_though_its_window_has_begun() -> None:
    opening = (WINDOW + 100) * WINDOW_MS + 2_000
    schedule = Schedule(NOW, 60, {}, opens_at_ms=opening)
    assert [schedule.opening_ms(rank) for rank in (1, 6, 7)] == [opening, opening, (WINDOW + 101) * WINDOW_MS]
    within = Schedule(NOW, 60, {}, opens_at_ms=NOW + 100)  # it opens in the window that is under way
    assert within.window_for(1) == WINDOW + 1


# --- the schedule against a plain model of a line -----------------------------------------------------------------


class PlainLine:
    """A line as the admission rules describe it, one person a number. Everybody is there from the start; nobody leaves.

    `called_in` and `entered_in` tell the window in which each person was called and let in.
    """

    def __init__(self, per_minute: int, people: int, burst: Mapping[int, int]) -> None:
        """`burst` is who entered, and when (epoch ms), before the line stood."""
        self.per_minute = per_minute
        self.people = people
        self.used: Counter[int] = Counter()
        self.minute: deque[int] = deque()  # when the 100 ms in which somebody entered ended
        for at_ms, entries in sorted(burst.items()):
            self.used[window_of(at_ms)] += entries
            self.minute.extend([at_ms // 100 * 100 + 100] * entries)
        self.front = 0
        self.last_called: int | None = None
        self.called_waiting: set[int] = set()
        self.called_in: dict[int, int] = {}
        self.entered_in: dict[int, int] = {}

    def pulse(self, now_ms: int) -> None:
        window = window_of(now_ms)
        before = sum(self.used[window - i] for i in range(1, 10))
        if window != self.last_called:
            self.last_called = window
            self.call(max(0, min(share(self.per_minute, window), self.per_minute - before)), window)
        room = min(share(self.per_minute, window) - self.used[window], self.per_minute - before - self.used[window])
        self.call(max(0, room - len(self.called_waiting)), window)

    def call(self, places: int, window: int) -> None:
        for place in range(self.front, min(self.people, self.front + places)):
            self.called_in[place] = window
            self.called_waiting.add(place)
            self.front = place + 1

    def poll(self, place: int, now_ms: int) -> None:
        """This person asks, and is let in if it is their turn and there is room."""
        self.pulse(now_ms)
        while self.minute and self.minute[0] + 60_000 <= now_ms:
            self.minute.popleft()
        window = window_of(now_ms)
        room = self.used[window] < share(self.per_minute, window) and len(self.minute) < self.per_minute
        if place in self.called_waiting and room:
            self.called_waiting.discard(place)
            self.used[window] += 1
            self.minute.append(now_ms // 100 * 100 + 100)
            self.entered_in[place] = window

    def foretold(self, now_ms: int, place: int) -> int:
        """The window that is foretold to this person from what a gate reads now."""
        window = Schedule(now_ms, self.per_minute, dict(self.used)).window_for(place - self.front + 1)
        assert window is not None
        return window


def play(line: PlainLine, *, minutes: int, ask_every: int, phases: list[int]) -> dict[int, list[int]]:
    """A gate pulses every second; everybody asks every so many tenths of a second, each at a phase of their own.

    Returns all windows that were foretold to each who waited, oldest first.
    """
    foretold: dict[int, list[int]] = {}
    for tick in range(minutes * 600):
        now_ms = NOW + 100 * tick
        if tick % 10 == 3:
            line.pulse(now_ms)
            for place in range(line.front, line.people):
                foretold.setdefault(place, []).append(line.foretold(now_ms, place))
        for place in sorted(line.called_waiting):
            if (tick - phases[place % len(phases)]) % ask_every == 0:
                line.poll(place, now_ms)
    return foretold


@st.composite
def lines(draw: st.DrawFn) -> PlainLine:
    """A line of two minutes' people behind a burst of up to N, spread over the minute before."""
    per_minute = draw(st.integers(1, 40))
    burst: dict[int, int] = {}
    for at_ms in draw(st.lists(st.integers(NOW - 59_000, NOW), unique=True, max_size=5)):
        burst[at_ms] = draw(st.integers(0, per_minute - sum(burst.values())))
    return PlainLine(per_minute, people=2 * per_minute, burst=burst)


PHASES = st.lists(st.integers(0, 29), min_size=1, max_size=30)


@settings(max_examples=30, deadline=None)
@given(per_minute=st.integers(1, 40), phases=PHASES)
def test_who_asks_every_second_is_called_and_enters_in_the_very_window_that_was_foretold(
    per_minute: int, phases: list[int]
) -> None:
    line = PlainLine(per_minute, people=2 * per_minute, burst={})
    foretold = play(line, minutes=4, ask_every=10, phases=phases)
    assert len(line.entered_in) == line.people
    for place, windows in foretold.items():
        assert set(windows) == {line.called_in[place]} == {line.entered_in[place]}


@settings(max_examples=30, deadline=None)
@given(line=lines(), ask_every=st.integers(10, 200), phases=PHASES)
def test_however_slowly_people_ask_nobody_is_called_later_than_foretold_and_no_wait_grows(
    line: PlainLine, ask_every: int, phases: list[int]
) -> None:
    foretold = play(line, minutes=4, ask_every=ask_every, phases=phases)
    assert len(line.called_in) == line.people
    for place, windows in foretold.items():
        assert windows == sorted(windows, reverse=True)
        assert line.called_in[place] <= windows[-1]
