"""How long a front has stood still while the line grew, and errors a minute."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.operations.alert_memory import errors_a_minute, lasting, stillness

NOON = 1_798_113_600_000


def stood(lines: list[tuple[int, int]], *, epoch: int = 1, every_s: int = 15) -> list[float]:
    """Seconds of standing still, look by look; a line is (front, waiting)."""
    memory: dict[str, Any] | None = None
    found = []
    for number, (front, waiting) in enumerate(lines):
        memory, still_s = stillness(
            memory, epoch=epoch, front=front, waiting=waiting, now_ms=NOON + number * every_s * 1000
        )
        found.append(still_s)
    return found


def test_a_front_that_stands_still_while_the_line_grows() -> None:
    assert stood([(10, 5), (10, 6), (10, 7), (11, 8), (11, 9)]) == [0, 15, 30, 0, 15]


def test_a_line_that_does_not_grow_is_not_meant() -> None:
    assert stood([(10, 5)] * 10) == [0] * 10
    assert stood([(10, 9), (10, 8), (10, 7)]) == [0, 0, 0]


def test_growth_counts_from_the_fewest_so_leaving_hides_nothing() -> None:
    assert stood([(10, 100), (10, 40), (10, 41)]) == [0, 0, 30]


def test_a_line_that_ends_is_forgotten() -> None:
    assert stood([(10, 5), (10, 6), (10, 0), (10, 6), (10, 7)]) == [0, 15, 0, 0, 15]
    memory, _still = stillness(None, epoch=1, front=1, waiting=1, now_ms=NOON)
    assert stillness(memory, epoch=1, front=1, waiting=0, now_ms=NOON) == (None, 0.0)


def test_a_cleared_line_is_another_one() -> None:
    memory, _still = stillness(None, epoch=1, front=10, waiting=5, now_ms=NOON)
    _memory, still_s = stillness(memory, epoch=2, front=10, waiting=50, now_ms=NOON + 60_000)
    assert still_s == 0


def test_a_clock_that_is_set_back_begins_anew() -> None:
    memory, _still = stillness(None, epoch=1, front=10, waiting=5, now_ms=NOON)
    memory, still_s = stillness(memory, epoch=1, front=10, waiting=6, now_ms=NOON - 3_600_000)
    assert still_s == 0
    _memory, still_s = stillness(memory, epoch=1, front=10, waiting=6, now_ms=NOON - 3_600_000 + 15_000)
    assert still_s == 15


def rates(looks: list[dict[str, int]], *, every_s: int = 15) -> list[float]:
    """Errors a minute, look by look."""
    memory: dict[str, Any] | None = None
    found = []
    for number, totals in enumerate(looks):
        memory, rate = errors_a_minute(memory, totals=totals, now_ms=NOON + number * every_s * 1000)
        found.append(rate)
    return found


def test_what_was_counted_before_is_not_of_this_minute() -> None:
    assert rates([{"a": 900}, {"a": 900}, {"a": 903}]) == [0, 0, 3]


def test_errors_are_of_the_last_minute() -> None:
    looks = [{"a": 0}, {"a": 8}, {"a": 8}, {"a": 8}, {"a": 8}, {"a": 8}, {"a": 8}]
    assert rates(looks) == [0, 8, 8, 8, 8, 0, 0]


def test_processes_come_go_and_begin_anew() -> None:
    assert rates([{"a": 5}, {"a": 5, "b": 2}]) == [0, 2]
    assert rates([{"a": 5}, {}, {"a": 6}]) == [0, 0, 1]
    assert rates([{"a": 5}, {"a": 1}]) == [0, 1]


@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=3)),
        min_size=1,
        max_size=40,
    )
)
def test_the_rate_is_what_came_over_the_time_that_it_came_in(looks: list[tuple[int, dict[str, int]]]) -> None:
    memory: dict[str, Any] | None = None
    totals = dict.fromkeys("abc", 0)
    came: list[tuple[int, int]] = []
    now_ms = NOON
    for seconds, more in looks:
        now_ms += seconds * 1000
        for name, count in more.items():
            totals[name] += count
        came.append((now_ms, sum(more.values()) if memory is not None else 0))
        memory, rate = errors_a_minute(memory, totals=totals, now_ms=now_ms)
        # From the last look that is a minute old, or from the first of all.
        begin = max((at for at, _ in came if now_ms - at >= 60_000), default=came[0][0])
        expected = sum(count for at, count in came if at > begin) * 60_000 / max(60_000, now_ms - begin)
        assert rate == expected
        assert len(memory["points"]) <= 62


def lasted(looks: list[tuple[float, str | None]]) -> list[float]:
    """Seconds, look by look; a look is (seconds after noon, what is the matter)."""
    memory: dict[str, Any] | None = None
    found = []
    for at_s, what in looks:
        memory, seconds = lasting(memory, what=what, now_ms=NOON + int(at_s * 1000))
        found.append(seconds)
    return found


def test_for_how_long_something_has_been_the_matter() -> None:
    assert lasted([(0, "away"), (15, "away"), (75, "away")]) == [0, 15, 75]
    assert lasted([(0, None), (15, "away"), (30, None), (45, "away"), (60, "away")]) == [0, 0, 0, 0, 15]
    assert lasted([(0, "new"), (15, "wrong"), (30, "wrong")]) == [0, 0, 15]


def test_it_goes_on_over_a_time_in_which_nobody_looked_but_not_over_a_long_one() -> None:
    assert lasted([(0, "away"), (60, "away"), (121, "away"), (136, "away")]) == [0, 60, 121, 136]
    assert lasted([(0, "away"), (600, "away"), (1_201, "away"), (1_216, "away")]) == [0, 600, 0, 15]
    assert lasted([(0, "new"), (300, "wrong"), (600, None), (601, "wrong")]) == [0, 0, 0, 0]
    assert lasted([(0, "away"), (-3_600, "away"), (-3_585, "away")]) == [0, 0, 15]
