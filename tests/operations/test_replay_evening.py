"""The generated evening: the same plan gives the same evening, and it looks like one."""

from collections import Counter

import pytest

from apps.operations.replay.evening import CATEGORIES, OPENS_AT, STAR_NAME, EveningPlan, evening_generate
from apps.operations.replay.trace import Trace, true_counts


@pytest.fixture(scope="module")
def evening() -> Trace:
    return evening_generate(EveningPlan(seed=7))


def present(trace: Trace, t: float) -> dict[str, int]:
    """Viewers of every stream that is live at t."""
    live = {channel.name for channel in trace.channels if channel.start <= t < channel.end}
    return {name: viewers for name, viewers in true_counts(trace.sessions, t).items() if name in live}


def test_the_same_plan_gives_the_same_evening(evening: Trace) -> None:
    assert evening_generate(EveningPlan(seed=7)) == evening
    assert evening_generate(EveningPlan(seed=8)) != evening


def test_a_session_starts_while_its_stream_is_live(evening: Trace) -> None:
    channels = {channel.name: channel for channel in evening.channels}
    assert len(channels) == 501  # names are unique, the star's too
    assert {channel.category for channel in evening.channels} == {slug for slug, _, _ in CATEGORIES}
    for session in evening.sessions:
        assert channels[session.channel].start <= session.start < channels[session.channel].end
        assert session.end >= session.start
    starts = [session.start for session in evening.sessions]
    assert starts == sorted(starts)


def test_the_audience_opens_warm_peaks_near_the_plan_and_ends_with_the_evening(evening: Trace) -> None:
    totals = [sum(present(evening, OPENS_AT + minute * 60).values()) for minute in range(0, 240, 5)]
    assert 400 < totals[0] < 650
    assert 1600 < max(totals) < 2200
    assert totals.index(max(totals)) > 20
    assert sum(present(evening, evening.end).values()) == 0


def test_a_few_hundred_streams_are_live_with_a_long_tail(evening: Trace) -> None:
    t = OPENS_AT + 100 * 60
    live = [channel for channel in evening.channels if channel.start <= t < channel.end]
    counts = sorted(present(evening, t).values(), reverse=True)
    assert 120 < len(live) < 300
    assert sum(counts[:10]) > 0.4 * sum(counts)
    assert counts[len(counts) // 2] <= 5


def test_the_star_draws_a_surge_within_minutes(evening: Trace) -> None:
    star = evening.channels[-1]
    assert star.name == STAR_NAME
    assert STAR_NAME not in present(evening, star.start - 1)
    assert present(evening, star.start + 300)[STAR_NAME] > 400
    assert STAR_NAME not in present(evening, star.end)


def test_people_come_back_switch_and_open_second_tabs(evening: Trace) -> None:
    plays = Counter(session.device for session in evening.sessions)
    assert 0.2 < 1 - len(plays) / len(evening.sessions) < 0.3
    t = OPENS_AT + 130 * 60
    sockets = sum(session.start <= t < session.end for session in evening.sessions)
    assert sockets > sum(true_counts(evening.sessions, t).values())


@pytest.mark.parametrize(("audience", "streams"), [(10, 1), (50, 1000)])
def test_small_and_wide_evenings_work(audience: int, streams: int) -> None:
    trace = evening_generate(EveningPlan(audience=audience, streams=streams, hours=1))
    assert len(trace.channels) == streams + 1
    assert len({channel.name for channel in trace.channels}) == streams + 1
