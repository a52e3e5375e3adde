"""Rows of the wall: what a gate tells, when a line is in trouble, and what comes first. Pure."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom.bearing import Bearing, Progress
from apps.waitingroom.manage.wall import (
    LEVELS,
    WallRow,
    ZoneFacts,
    row_of,
    row_unread,
    sorted_by_trouble,
    trouble_of,
    waiting_in,
)
from apps.waitingroom.rules import Mode
from apps.waitingroom.snapshot import Bitmap, Snapshot
from apps.waitingroom.windows import Schedule, share
from tests.waitingroom.gate import CONCERT

NOW = 1_798_102_800_000
FACTS = ZoneFacts(
    zone_id="concert",
    name="The concert",
    name_ko="공연",
    app="shop",
    screen="checkout",
    mode=Mode.OPEN,
    per_minute=600,
    version=7,
    changed_ms=NOW - 3_600_000,
    message="",
    message_ko="",
    opens_at_ms=None,
    prequeue_from_ms=None,
)
# Well: read a moment ago, its front has just moved, and as many enter as may.
WELL = Bearing(
    at=NOW - 400,
    epoch=1,
    version=7,
    waiting=900,
    called=20,
    entering=590,
    eta=95,
    front=5_000,
    moved=NOW - 3_000,
    grown=12,
    since=NOW - 600_000,
    gate="a1",
)


def row(
    bearing: Bearing | None = WELL, *, is_served: bool = True, facts: dict[str, Any] | None = None, **changes: Any
) -> WallRow:
    if bearing is not None:
        bearing = dataclasses.replace(bearing, **changes)
    return row_of(dataclasses.replace(FACTS, **(facts or {})), bearing, now_ms=NOW, is_served=is_served)


def test_a_row_is_what_people_decided_and_what_a_gate_told() -> None:
    assert row() == WallRow(
        zone_id="concert",
        name="The concert",
        name_ko="공연",
        app="shop",
        screen="checkout",
        mode="open",
        state="waiting",
        per_minute=600,
        waiting=900,
        entering_per_minute=590,
        longest_wait_s=95,
        health="ok",
        trouble=1_000_000_900,
        version=7,
        opens_at_ms=None,
    )


def test_a_line_that_nobody_tells_of_sleeps() -> None:
    asleep = row(None)
    assert (asleep.waiting, asleep.entering_per_minute, asleep.longest_wait_s) == (0, 0, 0)
    assert (asleep.health, asleep.trouble) == ("ok", 0)
    assert row(None, is_served=False).health == "stale"  # no gate is there at all


STILL: dict[str, Any] = {"moved": NOW - 30_400, "grown": 1}
UNDERUSED: dict[str, Any] = {"since": NOW - 60_400, "entering": 299}


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, "ok"),
        ({"at": NOW - 5_000}, "ok"),
        ({"at": NOW - 5_001}, "stale"),
        ({"at": NOW - 5_001, "waiting": 0}, "ok"),  # it fell asleep, or its gate went: nobody waits for anything
        ({"lost": True}, "lost"),
        ({"lost": True, **STILL}, "lost"),
        (STILL, "still"),
        ({**STILL, "moved": NOW - 30_399}, "ok"),
        ({**STILL, "grown": 0}, "ok"),
        ({**STILL, "since": 0}, "ok"),
        (UNDERUSED, "underused"),
        ({**UNDERUSED, "entering": 300}, "ok"),
        ({**UNDERUSED, "since": NOW - 60_399}, "ok"),
        ({**UNDERUSED, **STILL}, "still"),
        ({**UNDERUSED, "since": 0}, "ok"),
    ],
)
def test_health(changes: dict[str, Any], health: str) -> None:
    assert row(**changes).health == health


@pytest.mark.parametrize(
    "facts",
    [
        {"mode": Mode.PAUSED},
        {"mode": Mode.BLOCKED},
        {"mode": Mode.BYPASS},
        {"mode": Mode.OBSERVE},
        {"opens_at_ms": NOW + 1},
        {"opens_at_ms": NOW + 1, "prequeue_from_ms": NOW},
    ],
)
def test_a_line_that_is_not_to_move_is_well(facts: dict[str, Any]) -> None:
    assert row(facts=facts, **STILL, **UNDERUSED).health == "ok"


def test_where_few_enter_a_front_stands_for_longer() -> None:
    few = {"per_minute": 9}
    assert row(facts=few, **{**STILL, "moved": NOW - 90_399}).health == "ok"
    assert row(facts=few, **{**STILL, "moved": NOW - 90_400}).health == "still"
    assert row(facts=few, **{**UNDERUSED, "entering": 0}).health == "ok"


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "waiting"),
        ({"mode": Mode.PAUSED}, "paused"),
        ({"mode": Mode.BLOCKED}, "blocked"),
        ({"opens_at_ms": NOW + 1}, "before"),
        ({"opens_at_ms": NOW + 1, "prequeue_from_ms": NOW}, "prequeue"),
        ({"opens_at_ms": NOW}, "waiting"),
    ],
)
def test_the_state_is_what_those_who_wait_are_told(facts: dict[str, Any], state: str) -> None:
    assert row(facts=facts).state == state


@pytest.mark.parametrize(
    ("ago_ms", "changes", "health"),
    [
        (2_401, {"version": 6}, "behind"),
        (2_401, {"version": 6, **STILL}, "behind"),  # it may stand for that very reason
        (2_400, {"version": 6}, "ok"),  # on its way
        (2_401, {"version": 7}, "ok"),
        (2_401, {"version": 8}, "ok"),  # the gate has heard of a change that we have not
        (60_000, {"version": 6, "lost": True}, "lost"),
        (60_000, {"version": 6, "at": NOW - 5_001}, "stale"),
    ],
)
def test_gates_that_go_by_older_rules_are_told_of(ago_ms: int, changes: dict[str, Any], health: str) -> None:
    assert row(facts={"changed_ms": NOW - ago_ms}, **changes).health == health
    if health == "behind":  # and whatever was decided: a door that is to be shut may stand open
        for mode in Mode:
            assert row(facts={"changed_ms": NOW - ago_ms, "mode": mode}, **changes).health == health


def test_of_a_line_that_cannot_be_read_there_is_no_figure() -> None:
    unread = row_unread(FACTS, now_ms=NOW)
    assert (unread.waiting, unread.entering_per_minute, unread.longest_wait_s) == (None, None, None)
    assert (unread.health, unread.mode, unread.per_minute, unread.state) == ("unread", "open", 600, "waiting")
    assert waiting_in([row(), row(waiting=0), row(waiting=7)]) == 907
    assert waiting_in([row(), unread]) is None
    assert waiting_in([]) == 0


def test_figures_that_are_a_minute_old_say_nothing_of_the_last_minute() -> None:
    assert row(at=NOW - 60_001).entering_per_minute == 0
    assert row(at=NOW - 60_000).entering_per_minute == 590


def test_the_worst_come_first_and_among_equals_the_longest() -> None:
    rows = [
        row(facts={"zone_id": name, "app": app, "per_minute": 0 if name == "zero" else 600}, **changes)
        for name, app, changes in (
            ("quiet-b", "b", {"waiting": 0}),
            ("quiet-a", "a", {"waiting": 0}),
            ("long", "a", {"waiting": 5}),
            ("longer", "a", {"waiting": 10**10}),
            ("underused", "a", UNDERUSED),
            ("zero", "a", {"waiting": 2}),
            ("still", "a", {**STILL, "waiting": 1}),
            ("stale", "a", {"at": 0, "waiting": 1}),
            ("lost", "a", {"lost": True, "waiting": 0}),
        )
    ]
    names = ["lost", "stale", "still", "zero", "underused", "longer", "long", "quiet-a", "quiet-b"]
    assert [each.zone_id for each in sorted_by_trouble(reversed(rows))] == names


@given(st.sampled_from(list(LEVELS)), st.integers(0, 2**53))
def test_trouble_is_exact_in_a_browser(health: Any, waiting: int) -> None:
    assert 0 <= trouble_of(health, waiting) < 2**53


# --- what a gate tells --------------------------------------------------------------------------------------------


@given(
    st.builds(
        Bearing,
        **{name: st.integers(0, 2**53) for name in ("at", "epoch", "version", "waiting", "called", "front", "since")},
        entering=st.integers(0, 10**7),
        eta=st.none() | st.integers(0, 2**31),
        moved=st.integers(0, 2**53),
        grown=st.integers(-(10**9), 10**9),
        lost=st.booleans(),
        gate=st.text("0123456789abcdef", max_size=12),
    )
)
def test_what_is_told_is_read(bearing: Bearing) -> None:
    assert Bearing.from_json(bearing.to_json()) == bearing


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b"3", b'{"at":1}', b"\xff"])
def test_what_cannot_be_understood_is_no_bearing(text: bytes) -> None:
    assert Bearing.from_json(text) is None


def read(
    progress: Progress, at: int, front: int, waiting: int, entering: int = 0, **changes: Any
) -> tuple[int, int, int]:
    """One more reading; since when the front stands, by how many the line has grown, since when it stands."""
    rules = dataclasses.replace(CONCERT, per_minute=60, **changes)
    snapshot = Snapshot(epoch=1, now_ms=at, rev=1, front=front, next=front + waiting, line=Bitmap(0, b""), used={})
    progress.read(snapshot, waiting=waiting, entering=entering, rules=rules, state="waiting", restored=0)
    return progress.moved, progress.grown(waiting), progress.since


def test_a_front_that_stands_is_told_from_one_that_moves() -> None:
    progress = Progress()
    assert read(progress, 1_000, 10, 20) == (1_000, 0, 1_000)
    assert read(progress, 2_000, 10, 25) == (1_000, 5, 1_000)
    assert read(progress, 3_000, 11, 24) == (3_000, 0, 1_000)
    assert read(progress, 4_000, 11, 23) == (3_000, -1, 1_000)


def test_a_line_shorter_than_a_window_lets_in_does_not_stand() -> None:
    progress = Progress()
    assert read(progress, 1_000, 10, 5)[2] == 0
    assert read(progress, 2_000, 10, 6)[2] == 2_000
    assert read(progress, 3_000, 10, 5)[2] == 0


def test_a_full_minute_and_another_rule_begin_anew() -> None:
    progress = Progress()
    read(progress, 1_000, 10, 20)
    assert read(progress, 2_000, 10, 25, entering=60) == (2_000, 0, 2_000)  # a burst: nobody can be called for a minute
    assert read(progress, 3_000, 10, 26, entering=59) == (2_000, 1, 2_000)
    assert read(progress, 4_000, 10, 27, mode=Mode.QUEUE_ALL) == (4_000, 0, 4_000)


# --- how long a line takes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("waiting", "per_minute", "minutes"), [(84_000, 1_200, 70), (600, 600, 1), (1, 60, 0)])
def test_a_line_clears_at_its_pace(waiting: int, per_minute: int, minutes: int) -> None:
    clears_ms = Schedule(NOW, per_minute, {}).clears_ms(waiting)
    assert clears_ms is not None
    assert abs((clears_ms - NOW) - minutes * 60_000) <= 6_000


def test_a_line_that_does_not_move_never_clears() -> None:
    assert Schedule(NOW, 0, {}).clears_ms(5) is None
    assert Schedule(NOW, 60, {}, paused=True).clears_ms(5) is None
    assert Schedule(NOW, 60, {}, paused=True).clears_ms(0) == NOW
    opens = Schedule(NOW, 600, {}, opens_at_ms=NOW + 3_600_000).clears_ms(600)
    assert opens is not None
    assert 0 <= opens - NOW - 3_600_000 <= 66_000


@given(
    st.integers(0, 3_000),
    st.integers(1, 900),
    st.lists(st.integers(0, 60), min_size=10, max_size=10),
    st.integers(0, 5_999),
)
def test_a_line_clears_when_its_windows_have_let_in_all(waiting: int, n: int, before: list[int], into: int) -> None:
    """Played window by window: each lets in its share, and ten neighbours no more than N."""
    now_ms = NOW + into
    window = now_ms // 6_000
    used = {window - 9 + number: min(entries, share(n, window - 9 + number)) for number, entries in enumerate(before)}
    clears_ms = Schedule(now_ms, n, used).clears_ms(waiting)
    left, each, entered = waiting, window, dict(used)
    while True:
        room = n - sum(entered.get(other, 0) for other in range(each - 9, each + 1))
        enter = max(0, min(left, share(n, each) - entered.get(each, 0), room))
        entered[each] = entered.get(each, 0) + enter
        left -= enter
        if not left:
            break
        each += 1
    assert clears_ms == (now_ms if each == window else each * 6_000)
