"""When clients are asked to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom.pacing import MOST_STRAIN, Pace, Strain

USUAL = Pace(poll_ms=3_000, idle_s=60, per_window=100)


def test_it_grows_with_the_wait_to_twenty_seconds() -> None:
    assert [USUAL.period(eta_s * 1_000, 0) for eta_s in (13, 60, 61, 100, 400, 401, 9_999)] == [
        *(3_000, 3_000, 3_050, 5_000, 20_000, 20_000, 20_000)
    ]
    assert USUAL.period(None, 0) == 3_000


def test_it_never_passes_a_third_of_the_idle_limit() -> None:
    assert Pace(poll_ms=3_000, idle_s=30, per_window=100).period(9_999_000, 0) == 10_000
    assert Pace(poll_ms=5_000, idle_s=10, per_window=100).period(9_999_000, 0) == 5_000  # the zone's own period stands


def test_who_is_called_when_the_coming_window_opens_asks_just_after() -> None:
    for eta_ms in (3_000, 4_321, 6_000, 7_600):
        periods = {USUAL.period(eta_ms, place) for place in range(1_000)}
        assert min(periods) == eta_ms + 350
        assert max(periods) == eta_ms + 1_349
        assert len(periods) == 1_000  # neighbours do not come in one moment
    assert USUAL.period(1_000, 0) == 3_000
    assert USUAL.period(2_900, 0) == 3_250  # not a moment before it opens
    assert USUAL.period(9_000, 0) == 3_000  # far enough off to ask once more before
    few = Pace(poll_ms=3_000, idle_s=60, per_window=2)
    assert {few.period(4_000, place) - 4_350 for place in range(100)} == set(range(20))
    assert few.period(4_000, 0, margin_ms=30) == 4_030


@given(
    idle_s=st.integers(10, 3_600),
    poll=st.floats(0, 1),
    strain=st.floats(1, MOST_STRAIN),
    eta_ms=st.none() | st.integers(0, 10**9),
    place=st.integers(-1, 2**53),
)
def test_it_stays_between_the_zones_period_and_its_limit(
    idle_s: int, poll: float, strain: float, eta_ms: int | None, place: int
) -> None:
    poll_ms = int(1_000 + poll * (min(20_000, idle_s * 500) - 1_000))
    period = Pace(poll_ms=poll_ms, idle_s=idle_s, per_window=100, strain=strain).period(eta_ms, place)
    assert poll_ms <= period <= max(poll_ms, min(20_000, idle_s * 1_000 // 3))


def test_a_process_that_is_late_asks_for_fewer_polls() -> None:
    strain = Strain()
    assert strain.factor == 1.0
    for _ in range(100):
        strain.note(0.005)
    assert strain.factor == 1.0  # what any loop is late by
    for _ in range(100):
        strain.note(0.2)
    assert strain.factor == pytest.approx(3.0, abs=0.01)
    assert Pace(poll_ms=3_000, idle_s=60, per_window=100, strain=strain.factor).period(13_000, 0) == pytest.approx(
        9_000, abs=50
    )
    for _ in range(100):
        strain.note(60.0)
    assert strain.factor == MOST_STRAIN
    for _ in range(100):
        strain.note(-1.0)
    assert strain.factor == 1.0
