"""When an alert begins, is told and ends: against a plain model, and one by one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.operations.alerts import Change, Notice, Phase, Quiet, Step, Terms, Watch, step
from tests.operations.alert_model import PlainAlert

SEOUL = ZoneInfo("Asia/Seoul")
TERMS = Terms(limit=100, recovers_at=80, hold_ms=30_000, calm_ms=60_000, repeat_ms=1_800_000)
NIGHT = Quiet(time(23), time(7), SEOUL)


def at(text: str) -> int:
    """Epoch ms of a moment in Seoul."""
    return int(datetime.fromisoformat(text).replace(tzinfo=SEOUL).timestamp() * 1000)


NOON = at("2026-03-02 12:00")
OPENED, CLOSED = Change.OPENED, Change.CLOSED
TROUBLE, REMINDER, RECOVERY = Notice.TROUBLE, Notice.REMINDER, Notice.RECOVERY


def played(
    terms: Terms, values: Sequence[float | None], *, start: int = NOON, every_s: int = 15, watch: Watch | None = None
) -> tuple[list[tuple[int, Change | None, Notice | None]], Watch]:
    """What happened at which second, of all that did."""
    happened = []
    watch = watch or Watch()
    for number, value in enumerate(values):
        came = step(terms, watch, value, start + number * every_s * 1000)
        watch = came.watch
        if came.change or came.notice:
            happened.append((number * every_s, came.change, came.notice))
    return happened, watch


VALUES = st.sampled_from([None, 0.0, 80.0, 80.5, 100.0, 100.5, 200.0])
# Mostly as beat has it; sometimes late, after a gap, or a clock that is set forward or back.
STEPS_S = st.sampled_from([0, 1, 15, 15, 15, 15, 15, 45, 60, 61, 300, 3_600, -1, -90, -7_200])
QUIETS = st.sampled_from([None, NIGHT, Quiet(time(12, 5), time(12, 20), SEOUL)])


@settings(max_examples=400, deadline=None)
@example([(0, 100.5), (60, 0.0), (-1, 100.5)], None, 0, 0, 1)  # at rest, until the clock is set back
@given(
    st.lists(st.tuples(STEPS_S, VALUES), max_size=60),
    QUIETS,
    st.sampled_from([0, 15, 30, 120]),
    st.sampled_from([0, 15, 60]),
    st.sampled_from([1, 2, 30]),
)
def test_it_does_what_a_plain_model_does(
    looks: list[tuple[int, float | None]], quiet: Quiet | None, hold_s: int, calm_s: int, repeat_min: int
) -> None:
    terms = replace(TERMS, quiet=quiet, hold_ms=hold_s * 1000, calm_ms=calm_s * 1000, repeat_ms=repeat_min * 60_000)
    model, watch = PlainAlert(terms), Watch()
    moments = [NOON + 1000 * passed for passed in accumulate(seconds for seconds, _value in looks)]
    for number, (now_ms, (_seconds, value)) in enumerate(zip(moments, looks, strict=True)):
        came = step(terms, watch, value, now_ms)
        # A watch at rest may be forgotten: nothing that comes later depends on it, by no clock that comes later.
        watch = Watch() if came.watch.is_at_rest(terms, min(moments[number:])) else came.watch
        assert (came.change, came.notice) == model.look(value, now_ms)
        assert (came.watch.phase is Phase.FIRING, came.watch.is_told) == (model.is_firing, model.is_told)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 200.0]), max_size=200))
def test_however_it_flaps_trouble_is_told_once_in_the_repeat_limit(values: list[float]) -> None:
    terms = replace(TERMS, hold_ms=0, calm_ms=0, repeat_ms=600_000)
    happened, _watch = played(terms, values)
    told = [second for second, _change, notice in happened if notice in (TROUBLE, REMINDER)]
    assert all(later - earlier >= 600 for earlier, later in pairwise(told))
    changes = [change for _second, change, _notice in happened if change]
    assert changes == [OPENED, CLOSED] * (len(changes) // 2) + [OPENED] * (len(changes) % 2)


def test_trouble_that_holds_is_told_and_its_end_too() -> None:
    happened, watch = played(TERMS, [200, 200, 200, 200, 0, 0, 0, 0, 0, 0])
    assert happened == [(30, OPENED, TROUBLE), (120, CLOSED, RECOVERY)]
    assert watch == Watch(told_ms=NOON + 30_000, at_ms=NOON + 135_000)


def test_since_is_when_it_began_and_not_when_it_was_believed() -> None:
    _happened, watch = played(TERMS, [0, 200, 200, 200])
    assert (watch.phase, watch.since_ms) == (Phase.FIRING, NOON + 15_000)


def test_the_limit_itself_is_no_trouble() -> None:
    assert played(TERMS, [100] * 20) == ([], Watch(at_ms=NOON + 285_000))


def test_what_does_not_hold_is_no_trouble() -> None:
    assert played(TERMS, [200, 200, 100] * 7)[0] == []


def test_between_the_two_limits_trouble_goes_on() -> None:
    assert played(TERMS, [200] * 3 + [81] * 20)[0] == [(30, OPENED, TROUBLE)]
    assert played(TERMS, [200] * 3 + [80, 80, 80, 81] * 5)[0] == [(30, OPENED, TROUBLE)]


def test_trouble_that_lasts_is_told_again() -> None:
    happened, _watch = played(replace(TERMS, repeat_ms=600_000), [200] * 100)
    assert happened == [(30, OPENED, TROUBLE), (630, None, REMINDER), (1230, None, REMINDER)]


def test_what_flaps_is_told_once() -> None:
    terms = replace(TERMS, hold_ms=0, calm_ms=0)
    happened, _watch = played(terms, [200, 0] * 10)
    assert happened[:2] == [(0, OPENED, TROUBLE), (15, CLOSED, RECOVERY)]
    assert {notice for _second, _change, notice in happened[2:]} == {None}
    assert len(happened) == 20  # the history has all of it


def test_what_flapped_and_stays_is_told_when_the_time_is_over() -> None:
    terms = replace(TERMS, hold_ms=0, calm_ms=0, repeat_ms=120_000)
    assert played(terms, [200, 0] + [200] * 10)[0] == [
        (0, OPENED, TROUBLE),
        (15, CLOSED, RECOVERY),
        (30, OPENED, None),
        (120, None, TROUBLE),
    ]


# --- quiet hours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quiet", "clock", "holds"),
    [
        (NIGHT, "22:59:59", False),
        (NIGHT, "23:00", True),
        (NIGHT, "00:00", True),
        (NIGHT, "06:59:59", True),
        (NIGHT, "07:00", False),
        (Quiet(time(12), time(13), SEOUL), "11:59:59", False),
        (Quiet(time(12), time(13), SEOUL), "12:00", True),
        (Quiet(time(12), time(13), SEOUL), "13:00", False),
    ],
)
def test_quiet_hours(quiet: Quiet, clock: str, holds: bool) -> None:
    assert quiet.holds(at(f"2026-03-02 {clock}")) is holds


def test_quiet_hours_are_those_of_their_own_zone() -> None:
    noon_in_seoul = at("2026-03-02 12:00")
    assert Quiet(time(3), time(4), ZoneInfo("UTC")).holds(noon_in_seoul)
    assert not Quiet(time(3), time(4), SEOUL).holds(noon_in_seoul)


def test_over_midnight_all_is_kept_and_what_is_still_so_is_told_in_the_morning() -> None:
    terms = replace(TERMS, quiet=NIGHT)
    start = at("2026-03-02 23:59")
    happened, _watch = played(terms, [200] * (4 * 60 * 8), start=start)
    assert happened[:2] == [(30, OPENED, None), (7 * 3600 + 60, None, TROUBLE)]  # 07:00
    assert [notice for _second, _change, notice in happened[2:]] == [REMINDER] * (len(happened) - 2)


def test_what_began_and_ended_in_the_night_is_told_to_nobody() -> None:
    happened, watch = played(replace(TERMS, quiet=NIGHT), [200] * 20 + [0] * (4 * 60 * 8), start=at("2026-03-02 23:30"))
    assert happened == [(30, OPENED, None), (360, CLOSED, None)]
    assert watch.is_at_rest(TERMS, watch.at_ms)


def test_an_end_in_the_night_is_told_in_the_morning() -> None:
    happened, _watch = played(
        replace(TERMS, quiet=NIGHT), [200] * 10 + [0] * (4 * 60 * 9), start=at("2026-03-02 22:59")
    )
    assert happened == [(30, OPENED, TROUBLE), (210, CLOSED, None), (8 * 3600 + 60, None, RECOVERY)]


def test_an_end_that_the_night_took_back_is_not_told() -> None:
    values = [200.0] * 10 + [0.0] * 100 + [200.0] * (4 * 60 * 9)
    happened, _watch = played(replace(TERMS, quiet=NIGHT), values, start=at("2026-03-02 22:59"))
    assert [notice for _second, _change, notice in happened if notice][:2] == [TROUBLE, REMINDER]
    assert [change for _second, change, _notice in happened if change] == [OPENED, CLOSED, OPENED]


# --- what nobody knows, and clocks ------------------------------------------------------------------------------------


def test_what_cannot_be_read_changes_nothing() -> None:
    _happened, firing = played(TERMS, [200] * 3)
    assert step(TERMS, firing, None, NOON + 10_000_000) == Step(firing)
    _happened, pending = played(TERMS, [200])
    assert step(TERMS, pending, None, NOON + 20_000) == Step(pending)


def test_after_a_gap_it_must_hold_anew() -> None:
    values: list[float | None] = [200, *[None] * 5, 200, 200, 200]
    assert played(TERMS, values)[0] == [(120, OPENED, TROUBLE)]
    ended: list[float | None] = [*[200] * 3, *[0] * 2, *[None] * 10, *[0] * 6]
    assert played(TERMS, ended)[0] == [(30, OPENED, TROUBLE), (285, CLOSED, RECOVERY)]


def test_a_clock_that_jumps_ahead_makes_no_trouble() -> None:
    watch = step(TERMS, Watch(), 200, NOON).watch
    came = step(TERMS, watch, 200, NOON + 3_600_000)
    assert (came.watch.phase, came.change, came.notice) == (Phase.PENDING, None, None)


def test_a_clock_that_is_set_back_silences_nobody_for_long() -> None:
    terms = replace(TERMS, repeat_ms=600_000)
    _happened, watch = played(terms, [200] * 3)
    earlier = NOON - 86_400_000
    happened, _watch = played(terms, [200] * 50, start=earlier, watch=watch)
    assert happened == [(600, None, REMINDER)]


def test_a_clock_that_is_set_back_ends_nothing_early() -> None:
    _happened, watch = played(TERMS, [200] * 3 + [0] * 3)
    happened, _watch = played(TERMS, [0] * 10, start=NOON - 86_400_000, watch=watch)
    assert happened == [(60, CLOSED, RECOVERY)]
