"""What time it is where the line is."""

import pytest

from apps.waitingroom.redis_clock import RedisClock


class TestRedisClock:
    """What time it is where the line is."""

    def test_this_machines_own_time_does_not_matter(self) -> None:
        for ticks in (0.0, 1e6, -500.0):
            clock = RedisClock(lambda ticks=ticks: ticks)  # type: ignore[misc]
            assert not clock.is_known
            clock.heard(1_772_334_000_000)
            assert (clock.is_known, clock.now_ms(), clock.at(ticks + 2.5)) == (
                *(True, 1_772_334_000_000, 1_772_334_002_500),
            )
            assert clock.ticks_at(1_772_334_001_000) == pytest.approx(ticks + 1, abs=1e-3)

    def test_the_least_delayed_reply_is_believed(self) -> None:
        now = 100.0
        clock = RedisClock(lambda: now)
        clock.heard(1_000_000)
        now = 101.0
        clock.heard(1_000_700)  # came 300 ms late
        assert clock.now_ms() == 1_000_999  # a little is forgotten, for clocks drift
        now = 102.0
        clock.heard(1_002_100)  # the first one was late, too
        assert clock.now_ms() == 1_002_100

    def test_a_clock_that_was_set_back_is_followed(self) -> None:
        now = 100.0
        clock = RedisClock(lambda: now)
        clock.heard(1_000_000)
        now = 101.0
        clock.heard(995_000)
        assert clock.now_ms() == 995_000
