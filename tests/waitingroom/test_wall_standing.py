"""Lines that are not to move: which are trouble, from when on, and what is promised to who would come."""

from typing import Any

import pytest

from apps.waitingroom.manage.wall import LEVELS
from apps.waitingroom.rules import Mode
from tests.waitingroom.test_wall import NOW, STILL, UNDERUSED, row


@pytest.mark.parametrize("stood", [STILL, UNDERUSED])
def test_a_line_that_was_not_to_move_until_now_is_well(stood: dict[str, Any]) -> None:
    """What was told last is of before, and nobody can have entered yet."""
    for ago_ms in (0, 1_000, 29_000):
        assert row(facts={"opens_at_ms": NOW - ago_ms}, **stood).health == "ok"
    assert row(facts={"opens_at_ms": NOW - 61_000}, **stood).health != "ok"
    # Open again after a pause, of which the gate has not heard yet.
    assert row(facts={"changed_ms": NOW - 1_000}, version=6, **stood).health == "ok"
    assert row(facts={"changed_ms": NOW - 1_000}, **stood).health != "ok"


def test_people_who_wait_while_n_is_zero_are_trouble() -> None:
    zero = {"per_minute": 0}
    waits = row(facts=zero, waiting=8)
    assert (waits.health, waits.trouble) == ("zero", LEVELS["zero"] * 10**9 + 8)
    assert row(facts=zero, **STILL, **UNDERUSED).health == "zero"
    assert row(facts=zero, waiting=0).health == "ok"  # nobody is kept waiting
    assert row(facts=zero, lost=True).health == "lost"
    for meant in ({"mode": Mode.PAUSED}, {"mode": Mode.BYPASS}, {"opens_at_ms": NOW + 1}):
        assert row(facts={**zero, **meant}, waiting=8).health == "ok"


def test_who_would_come_to_a_line_that_does_not_move_is_promised_nothing() -> None:
    shut: list[dict[str, Any]] = [
        {"mode": Mode.PAUSED},
        {"mode": Mode.BLOCKED},
        {"per_minute": 0},
        {"opens_at_ms": NOW + 1},
        {"opens_at_ms": NOW + 1, "prequeue_from_ms": NOW},
    ]
    for facts in shut:
        assert row(facts=facts, waiting=0, eta=0).longest_wait_s is None
        assert row(None, facts=facts).longest_wait_s is None
        assert row(facts=facts, eta=3_600).longest_wait_s == 3_600  # a gate knows
    assert row(waiting=0, eta=0).longest_wait_s == 0
    for mode in (Mode.BYPASS, Mode.OBSERVE):
        assert row(facts={"mode": mode}, eta=211).longest_wait_s == 0  # whoever still stands there
