"""How many places one address may take: a plain bucket, and no more memory than was meant for it."""

import pytest
from hypothesis import given, strategies

from apps.waitingroom import limits
from apps.waitingroom.limits import BURST_S, JoinLimit


def test_a_burst_passes_then_a_steady_rate() -> None:
    limit = JoinLimit(5)
    assert [limit.wait_s("a", 100.0) for _ in range(50)] == [0.0] * 50
    assert limit.wait_s("a", 100.0) == pytest.approx(0.2)
    assert limit.wait_s("b", 100.0) == 0.0
    assert limit.wait_s("a", 100.1) == pytest.approx(0.1)
    assert limit.wait_s("a", 100.2) == 0.0
    assert limit.wait_s("a", 100.2) > 0.0


def test_what_was_not_given_may_be_asked_for_again() -> None:
    limit = JoinLimit(5)
    for _ in range(200):
        assert limit.wait_s("a", 100.0) == 0.0
        limit.give_back("a")
    limit.give_back("stranger")
    assert [limit.wait_s("a", 100.0) for _ in range(51)].count(0.0) == 50
    assert limit.addresses == 1


def test_nothing_limits_nobody() -> None:
    limit = JoinLimit(0)
    assert {limit.wait_s("a", 0.0) for _ in range(10_000)} == {0.0}
    assert limit.addresses == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES_KEPT", 100)
    limit = JoinLimit(5)
    for number in range(10_000):
        limit.wait_s(str(number), 1.0)
    assert limit.addresses <= 200
    limit.wait_s("x", 1.0 + BURST_S)
    limit.wait_s("x", 1.0 + 2 * BURST_S)
    assert limit.addresses <= 2


asks = strategies.lists(
    strategies.tuples(strategies.sampled_from("abc"), strategies.sampled_from([0.0, 0.1, 0.5, 3.0, 9.9, 10.0, 35.0])),
    max_size=200,
)


@given(asks=asks)
def test_it_forgets_nobody_who_is_not_full_again(asks: list[tuple[str, float]]) -> None:
    limit, now = JoinLimit(1), 0.0
    plain: dict[str, tuple[float, float]] = {}
    for address, later in asks:
        now += later
        left, at = plain.get(address, (10.0, now))
        left = min(10.0, left + (now - at))
        wait = limit.wait_s(address, now)
        assert (wait == 0.0) == (left >= 1.0)
        plain[address] = (left - 1.0 if wait == 0.0 else left, now)
