"""Leaving: late, double and crossing leaves, two connections of one session, in every order of arrival."""

import itertools
from collections.abc import Callable

import pytest

from apps.audience.store import Figures
from tests.audience.stage import NOON, Stage, both, tab

pytestmark = both

OLD = tab("t1", "ann")
NEW = tab("t1", "ann", connected=100, server="two")


def test_a_leave_takes_the_session_out_and_remembers_the_visit(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"), tab("t2", "bob"), held=2)
    stage.at = 1_000
    assert stage.depart(tab("t1", "ann"), held=1) == Figures("", 1, 2, 2)
    found = stage.dump()
    assert found["hb"] == {"t2": 0}
    assert found["live:sessions"] == {"t2": f"{tab('t2', 'bob').owner}|{NOON}|bob"}
    assert found["live:tabs"] == {"bob": "1"}
    assert found["live:users"] == {"bob"}
    assert found["live:servers"] == {"one": f"1|{NOON + 1_000}"}
    assert found["view:recent_users"] == {"ann": 1_000, "bob": 0}
    assert stage.ttls()["view:recent_users"] in range(110, 121)


def test_a_double_leave_is_one(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"), tab("t2", "ann"), held=2)
    stage.depart(tab("t1", "ann"), held=1)
    before = stage.dump()
    assert stage.depart(tab("t1", "ann"), held=1) == Figures("", 1, 1, 1)
    assert stage.depart(tab("t1", "ann"), tab("t1", "ann"), held=1) == Figures("", 1, 1, 1)
    assert stage.dump() == before


def test_a_leave_of_a_stranger_does_nothing(stage: Stage) -> None:
    stage.arrive(OLD, held=1)
    before = stage.dump()
    assert stage.depart(tab("t9", "eve"), held=1) == Figures("", 1, 1, 1)
    assert stage.depart(tab("t1", "eve", connected=1), held=1) == Figures("", 1, 1, 1)
    assert stage.dump() == before


def test_a_late_leave_after_a_rejoin_does_nothing(stage: Stage) -> None:
    stage.arrive(OLD, held=1)
    assert stage.arrive(NEW, server="two", held=1) == Figures("", 1, 1, 1)
    assert stage.depart(OLD) == Figures("", 1, 1, 1)
    found = stage.dump()
    assert found["live:sessions"] == {"t1": f"{NEW.owner}|{NOON}|ann"}  # the visit began when it began
    assert found["live:servers"] == {"two": f"1|{NOON}"}
    assert stage.depart(NEW, server="two") == Figures("", 0, 1, 1)


def test_the_newest_connection_holds_a_session_whoever_is_heard_first(stage: Stage) -> None:
    assert stage.lost(NEW) == []
    assert stage.lost(OLD) == ["t1"]
    assert stage.lost(OLD, arrivals=False) == ["t1"]
    assert stage.dump()["live:sessions"] == {"t1": f"{NEW.owner}|{NOON + 100}|ann"}
    assert stage.lost(NEW) == []
    assert stage.figures() == Figures("", 1, 1, 1)


def test_an_old_connection_does_not_keep_a_session_alive(stage: Stage) -> None:
    stage.arrive(NEW)
    stage.at = 50_000
    stage.beat(OLD)
    assert stage.dump()["hb"] == {"t1": 0}


STEPS: dict[str, Callable[[Stage], Figures]] = {
    "old arrives": lambda stage: stage.arrive(OLD),
    "old beats": lambda stage: stage.beat(OLD),
    "old leaves": lambda stage: stage.depart(OLD),
    "new arrives": lambda stage: stage.arrive(NEW),
}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=", ".join)
def test_in_every_order_the_newest_connection_is_here_at_the_end(stage: Stage, order: tuple[str, ...]) -> None:
    for step in order:
        figures = STEPS[step](stage)
        assert figures.current in (0, 1)
    # A heartbeat is no visit: the edge sends none of a session before Redis knows of its arrival.
    came_by_arriving = next(step for step in order if step != "old leaves") != "old beats"
    assert figures == Figures("", 1, 1, int(came_by_arriving))
    assert stage.dump()["live:sessions"]["t1"].startswith(f"{NEW.owner}|")
    assert stage.audit().agrees_with_itself
    # Everything once more, as a repeated call would: the same.
    for step in order:
        STEPS[step](stage)
    assert stage.figures() == Figures("", 1, 1, int(came_by_arriving))
    assert stage.depart(NEW) == Figures("", 0, 1, int(came_by_arriving))


@pytest.mark.parametrize("order", list(itertools.permutations(["arrive", "leave", "leave again"])), ids=", ".join)
def test_a_leave_that_overtakes_its_arrival_heals_with_the_next(stage: Stage, order: tuple[str, ...]) -> None:
    """A process sends arrivals before leaves; were they swapped, silence would take the session out."""
    for step in order:
        stage.arrive(OLD) if step == "arrive" else stage.depart(OLD)
    here = order[-1] == "arrive"
    assert stage.figures().current == here
    stage.at = 60_001
    assert stage.sweep()[1] == here
    assert stage.figures() == Figures("", 0, 1, 1)


def test_with_a_grace_a_leave_counts_until_it_is_over(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"), tab("t2", "bob"), held=2)
    assert stage.depart(tab("t1", "ann"), tab("t2", "bob"), grace_ms=20_000) == Figures("", 2, 2, 2)
    assert "live:servers" not in stage.dump()
    stage.at = 10_000
    assert stage.arrive(tab("t1", "ann", connected=10_000, server="two"), server="two") == Figures("", 2, 2, 2)
    stage.at = 20_000
    assert stage.sweep() == (Figures("", 2, 2, 2), 0)
    stage.at = 20_001
    assert stage.sweep() == (Figures("", 1, 2, 2), 1)  # bob did not come back
    assert stage.dump()["live:users"] == {"ann"}


def test_a_grace_is_not_given_to_who_is_gone_or_held_elsewhere(stage: Stage) -> None:
    stage.arrive(NEW, server="two")
    before = stage.dump()
    assert stage.depart(OLD, tab("t9", "eve"), grace_ms=20_000) == Figures("", 1, 1, 1)
    assert stage.dump() == before
