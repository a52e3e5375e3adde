"""Random lives of a line: after every step Redis says exactly what plain Python says, and the law of entries holds."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.realtime.redis import sync_client
from apps.waitingroom.rules import Mode
from apps.waitingroom.store import Joined
from tests.waitingroom.line_stage import Line, places_of, snapshot_of
from tests.waitingroom.plain_line import PlainLine

# Around the edges that the rules speak of: buckets, windows, slots, idle limits, the minute, and steps back.
STEPS_MS = st.sampled_from(
    [1, 50, 99, 100, 999, 1_000, 1_000, 1_000, 2_999, 3_000, 5_999, 6_000, 6_001, 9_999, 15_001, 20_000, 59_999, 60_100]
)
BACK_MS = st.sampled_from([1, 5_000, 59_999, 60_000, 60_001, 120_000])
PER_MINUTE = st.sampled_from([0, 1, 7, 10, 23, 60, 100])
# Part of a list: which of those who could do something do it.
SOME = st.sampled_from(["all", "even", "odd", "third", "first", "last", "none"])


def some(places: list[int], which: str) -> list[int]:
    """A part of them."""
    return {
        "all": places,
        "even": places[::2],
        "odd": places[1::2],
        "third": places[::3],
        "first": places[: len(places) // 2],
        "last": places[len(places) // 2 :],
        "none": [],
    }[which]


class LineMachine(RuleBasedStateMachine):
    """Joins, pulses, claims, leaves, evictions, changed rules, clears, failovers, losses and clocks, in any order."""

    @initialize(
        per_minute=PER_MINUTE,
        mode=st.sampled_from([Mode.OPEN, Mode.OPEN, Mode.QUEUE_ALL]),
        crowd=st.sampled_from([0, 1, 60, 130, 300]),
        starts=st.sampled_from([0, 4_300, 59_950]),
    )
    def begin(self, per_minute: int, mode: Mode, crowd: int, starts: int) -> None:
        """A new zone, and perhaps a crowd that was there before it."""
        client: Any = sync_client()
        client.flushall()
        self.line = Line(at=starts).open(per_minute=per_minute, mode=mode, idle_s=20, pass_s=30)
        self.plain = PlainLine(self.line.rules, listening_since=self.line.now_ms)
        self.known: list[int] = []  # every place that was given
        self.inside: set[int] = set()  # who entered
        self.moments: list[int] = []  # when
        self.joined: Joined | None = None  # what the last batch was answered
        self.was_set_back = False
        if crowd:
            self.join(crowd)

    # --- what happens ---------------------------------------------------------------------------------------------

    @rule(step=STEPS_MS)
    def time_passes(self, step: int) -> None:
        """The clock goes on."""
        self.line.at += step

    @rule(
        polling=st.sampled_from(["all", "all", "even", "last", "none"]),
        claiming=st.sampled_from(["all", "all", "all", "third", "last", "none"]),
        step=st.sampled_from([1_000, 1_000, 3_000]),
        times=st.integers(1, 25),
    )
    def life_goes_on(self, polling: str, claiming: str, step: int, times: int) -> None:
        """Second after second: who still polls, and who of those in line asks to enter."""
        for _ in range(times):
            self.line.at += step
            self.pulse(polling)
            called = [place for place in self.plain.waiting if place < self.plain.front + 3]
            self.ask(some(called, claiming)[:500])

    @rule(step=BACK_MS, certainty=st.integers(0, 4))
    def clock_is_set_back(self, step: int, certainty: int) -> None:
        """Now and then."""
        if certainty == 0:
            self.line.at -= step
            self.was_set_back = True

    @rule(count=st.sampled_from([1, 2, 5, 9, 30, 130]))
    def join(self, count: int) -> None:
        """Newcomers."""
        places, entered = self.plain.join(self.line.now_ms, count)
        joined = self.line.join(count)
        if not places:
            assert joined.status == "closed"
            self.joined = None
        else:
            assert (joined.status, joined.first, joined.count) == ("ok", places[0], count)
            assert (joined.entered, joined.entered_ms) == (entered, self.plain.now)
            assert not joined.shuffled
            assert (joined.waiting, joined.front) == (len(self.plain.waiting), self.plain.front)
            assert (joined.minute_used, joined.log_oldest_ms) == (self.plain.minute_used, self.plain.log_oldest)
            self.check_windows(joined.used)
            self.joined = joined
        self.known += places
        self._entered(places[:entered], in_line=False)

    @rule(later=STEPS_MS)
    def join_again(self, later: int) -> None:
        """The last batch that got places is sent again, later."""
        if self.joined:
            self.line.at += later
            self.plain.look(self.line.now_ms)
            assert self.line.join(self.joined.count, batch=self.line.batch) == self.joined

    @rule(which=SOME)
    def pulse(self, which: str) -> None:
        """A gate tells who polled, and reads the line."""
        seen = some(self.known, which)
        self.plain.pulse(self.line.now_ms, seen)
        pulse = self.line.pulse(seen)
        plain = self.plain
        assert pulse.bits is not None
        assert (pulse.status, pulse.now_ms) == ("ok", plain.now)
        assert (pulse.next, pulse.front) == (plain.next, plain.front)
        assert places_of(pulse.base, pulse.bits) == plain.waiting
        assert pulse.waiting_count == len(plain.waiting)
        assert pulse.called_living == plain.called_living
        assert pulse.minute_used == plain.minute_used
        assert pulse.log_oldest_ms == plain.log_oldest
        self.check_windows(pulse.used)
        assert pulse.restored_at == plain.restored_at

    def check_windows(self, used: dict[int, int]) -> None:
        """Entries by window are those of the last ten."""
        windows = range(self.plain.window - 9, self.plain.window + 1)
        assert {window: used.get(window, 0) for window in windows} == {w: self.plain.used(w) for w in windows}

    @rule(which=SOME, times=st.integers(1, 2), backwards=st.booleans())
    def claim(self, which: str, times: int, backwards: bool) -> None:
        """Some ask to enter, called or not, some again."""
        for _ in range(times):
            self.ask(some(self.known, which)[:500][:: -1 if backwards else 1])

    def ask(self, places: list[int]) -> None:
        """These ask to enter, in one call."""
        if not places:
            return
        expected = self.plain.claim(self.line.now_ms, places)
        results = self.line.claim(*places)
        assert results == [expected[place] for place in places]
        self._entered([place for place, result in zip(places, results, strict=True) if result > 0], in_line=True)

    @rule(which=st.sampled_from(["third", "first", "last", "none"]), times=st.integers(1, 2))
    def leave(self, which: str, times: int) -> None:
        """Some leave."""
        places = some(self.known, which)[:30]
        for _ in range(times):
            left = self.plain.leave(self.line.now_ms, places)
            answered = self.line.leave(*places)
            assert [place for place, was in zip(places, answered.results, strict=True) if was] == left

    @rule(times=st.integers(1, 2))
    def evict(self, times: int) -> None:
        """The job that takes out the silent."""
        for _ in range(times):
            assert self.line.evict().evicted == self.plain.evict(self.line.now_ms)

    @rule(per_minute=PER_MINUTE)
    def change_rate(self, per_minute: int) -> None:
        """N goes up, down, or to nothing."""
        self.line.change(per_minute=per_minute)
        self.plain.rules = self.line.rules

    @rule(mode=st.sampled_from([Mode.OPEN, Mode.OPEN, *Mode]), certainty=st.integers(0, 2))
    def change_mode(self, mode: Mode, certainty: int) -> None:
        """A manager pauses, blocks, opens."""
        if certainty == 0 or self.line.rules.mode is not Mode.OPEN:
            self.line.change(mode=mode)
            self.plain.rules = self.line.rules

    @rule(certainty=st.integers(0, 3))
    def fail_over(self, certainty: int) -> None:
        """Another Redis takes over; here it lost nothing, and cannot know that."""
        if certainty == 0:
            self.line.fail_over()
            self.plain.is_doubted = True

    @rule(certainty=st.integers(0, 2), crowd=st.sampled_from([0, 5, 130]))
    def clear(self, certainty: int, crowd: int) -> None:
        """A manager empties the line; others come, and some of them leave."""
        # What was heard of at moments that have not come yet is only forgotten after a minute of real time.
        if certainty == 0 and not self.was_set_back:
            assert self.line.clear() == 1
            self.plain.rules = self.line.rules
            self.plain.clear(self.line.now_ms)
            self._begin_anew()
            self.known = []
            if crowd:
                self.join(crowd)
                self.leave("third", 1)
                self.claim("third", 1, backwards=False)  # nobody is given what the same place was given before

    @rule(certainty=st.integers(0, 2), claiming=SOME, presented=SOME, away=STEPS_MS)
    def lose(self, certainty: int, claiming: str, presented: str, away: int) -> None:
        """Redis forgets all of it, some time after a gate read the line and let people in."""
        if certainty == 0 and not self.plain.is_free:
            self.pulse("even")
            known = snapshot_of(self.line.pulse())
            self.plain.pulse(self.line.now_ms, [])
            self.ask(some([place for place in self.plain.waiting if place < self.plain.front], claiming)[:500])
            self.line.at += away
            self.line.lose()
            shown = some(self.known, presented)
            assert self.line.restore(known, shown) == "ok"
            self.plain.restore(self.line.now_ms, known, shown)
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Who entered before is forgotten; when is not."""
        self.inside = set()
        self.joined = None

    # --- what always holds ------------------------------------------------------------------------------------------

    def _entered(self, places: list[int], *, in_line: bool) -> None:
        """No sixty seconds see more than N enter, nor a window more than its share while a line stands."""
        now = self.plain.now
        entered = [place for place in places if place not in self.inside]
        self.inside.update(entered)
        # Those of a clock that was set back entered at another time.
        self.moments = [moment for moment in self.moments if moment <= now] + [now] * len(entered)
        if entered and not self.plain.is_free:
            assert sum(moment > now - 60_000 for moment in self.moments) <= self.plain.rules.per_minute
            if in_line:
                window = now // 6_000
                assert sum(moment // 6_000 == window for moment in self.moments) <= self.plain.share(window)

    @invariant()
    def the_line_agrees(self) -> None:
        """Who waits, and how many."""
        status = self.line.status()
        assert status is not None
        assert self.line.waiting() == self.plain.waiting
        assert (status.waiting, status.next, status.front) == (
            len(self.plain.waiting),
            self.plain.next,
            self.plain.front,
        )


@pytest.mark.slow
def test_redis_agrees_with_the_plain_line(redis_url: str) -> None:
    """`FULLHOUSE_MODEL_RUNS` asks for more lives than the few that every run can afford."""
    runs = int(os.environ.get("FULLHOUSE_MODEL_RUNS", "80"))
    run_state_machine_as_test(
        LineMachine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
