"""Sweep, end, audit and recount: values, keys, times to live, and that a repeat changes nothing."""

from typing import Any

import pytest

from apps.audience import store
from apps.audience.store import Figures
from tests.audience.stage import NOON, Stage, both, run_one, tab

pytestmark = both
ANN, BOB, CHO = tab("a1", "ann"), tab("b1", "bob"), tab("c1", "cho")


def test_a_session_is_silent_after_sixty_seconds_and_not_at_them(stage: Stage) -> None:
    stage.arrive(ANN)
    stage.at = 60_000
    assert stage.sweep() == (Figures("", 1, 1, 1), 0)
    stage.at = 60_001
    assert stage.sweep() == (Figures("", 0, 1, 1), 1)
    assert stage.sweep() == (Figures("", 0, 1, 1), 0)


def test_a_sweep_takes_out_who_is_silent_and_nobody_else(stage: Stage) -> None:
    stage.arrive(ANN, tab("a2", "ann"), BOB)
    stage.at = 45_000
    stage.beat(BOB)
    stage.beat(tab("a2", "ann"))
    stage.at = 60_001
    assert stage.sweep() == (Figures("", 2, 2, 2), 1)
    found = stage.dump()
    assert (found["hb"], found["live:tabs"]) == ({"a2": 45_000, "b1": 45_000}, {"ann": "1", "bob": "1"})


def test_who_fell_silent_may_come_back_to_the_same_visit(stage: Stage) -> None:
    stage.arrive(ANN)
    stage.at = 70_000
    stage.sweep()
    stage.at = 189_999
    assert stage.beat(ANN) == Figures("", 1, 1, 1)
    assert stage.arrive(tab("a2", "ann")) == Figures("", 1, 1, 1)


def test_one_call_takes_out_a_bounded_number(stage: Stage) -> None:
    many = [tab(f"t{number}", f"v{number}") for number in range(store.SWEPT_PER_CALL + 1)]
    stage.beat(*many)
    stage.at = 60_001
    assert stage.sweep() == (Figures("", 1, 501, 0), 500)
    assert stage.sweep() == (Figures("", 0, 501, 0), 1)


def test_the_trail_gets_a_point_every_five_seconds_while_live(stage: Stage) -> None:
    stage.arrive(ANN)
    stage.sweep()
    assert "view:trail" not in stage.dump()  # nobody said that the stream is live
    stage.open()
    second = NOON // 1000
    for at in (0, 1_000, 4_999, 5_000, 9_000, 12_345):
        stage.at = at
        stage.sweep()
    assert stage.dump()["view:trail"] == [f"{second + 12}:1", f"{second + 5}:1", f"{second}:1"]
    assert store.trail_read(run_one(store.trail(7))) == [(second, 1), (second + 5, 1), (second + 12, 1)]
    assert stage.ttls()["view:trail"] in range(86_390, 86_401)


def test_the_trail_keeps_a_quarter_of_an_hour(stage: Stage) -> None:
    stage.open()
    for number in range(store.TRAIL_POINTS + 5):
        stage.at = number * store.TRAIL_EVERY_MS
        stage.sweep()
    points = store.trail_read(run_one(store.trail(7)))
    assert len(points) == 180
    assert (points[0][0] - NOON // 1000, points[-1][0] - NOON // 1000) == (25, 920)


def test_an_ended_stream_keeps_its_figures_for_a_day_and_nobody_in_it(stage: Stage) -> None:
    stage.open()
    stage.arrive(ANN, BOB)
    stage.depart(BOB)
    assert stage.end() == [2, 2]
    found, ttls = stage.dump(), stage.ttls()
    # Who was there waits for the database as long as it takes: test_store_past.py.
    past = [key for key in found if key.startswith("live:past")]
    assert [found.pop(key) and ttls.pop(key) for key in past] == [-1] * 3
    assert found.pop("view:unique:20260301").startswith(b"HYLL")
    assert found == {"view:state": b"ended", "view:current": b"0", "view:peak": b"2", "view:total": b"2"}
    assert all(seconds in range(86_390, 86_401) for seconds in ttls.values()), ttls
    assert stage.end() == [2, 2]
    assert stage.figures() == Figures("ended", 0, 2, 2)


def test_nothing_changes_an_ended_stream(stage: Stage) -> None:
    stage.open()
    stage.arrive(ANN)
    stage.end()
    before = stage.dump()
    ended = Figures("ended", 0, 0, 0)
    assert stage.arrive(BOB, known=Figures("live", 9, 9, 9)) == ended
    assert stage.beat(ANN) == ended
    assert stage.depart(ANN) == ended
    assert stage.lost(ANN) == []
    stage.open()
    stage.at = 61_000
    assert stage.sweep() == (Figures("ended", 0, 1, 1), 0)
    assert stage.recount(0) == (Figures("ended", 0, 1, 1), 0)
    assert stage.dump() == before
    # A sweep that comes late must not keep a key for ever.
    ttls = {key: seconds for key, seconds in stage.ttls().items() if not key.startswith("live:past")}
    assert all(seconds in range(86_300, 86_401) for seconds in ttls.values()), ttls


def test_ending_what_never_was_says_nobody_came(stage: Stage) -> None:
    assert stage.end() == [0, 0]
    assert stage.dump() == {"view:state": b"ended", "view:current": b"0"}


def test_an_audit_of_nothing_agrees(stage: Stage) -> None:
    audit = stage.audit()
    assert (audit.heard, audit.recorded, audit.users, audit.viewers, audit.tabs, audit.current) == (0,) * 6
    assert (audit.reports, audit.agrees_with_itself) == ({}, True)


def test_an_audit_says_everything_and_changes_nothing(stage: Stage) -> None:
    stage.arrive(ANN, tab("a2", "ann"), held=2)
    stage.at = 500
    stage.arrive(BOB, server="two", held=1)
    before = stage.dump()
    audit = stage.audit()
    assert (audit.heard, audit.recorded, audit.users, audit.viewers, audit.tabs, audit.current) == (3, 3, 2, 2, 3, 2)
    assert audit.reports == {"one": (2, NOON), "two": (1, NOON + 500)}
    assert audit.agrees_with_itself
    assert [audit.drift(servers) for servers in ({"one", "two"}, {"one"}, set(), {"three"})] == [0, 1, 3, 3]
    assert stage.dump() == before


def test_a_very_large_stream_is_not_counted_tab_by_tab(stage: Stage) -> None:
    viewers = store.AUDITED_VIEWERS
    for start in range(0, viewers + 1, 1000):
        stage.beat(*[tab(f"t{number}", f"v{number}") for number in range(start, min(start + 1000, viewers + 1))])
    assert (stage.audit().viewers, stage.audit().tabs) == (5001, -1)
    assert stage.audit().agrees_with_itself
    stage.depart(tab("t0", "v0"))
    assert stage.audit().tabs == 5000


KEYS = ["hb", "live:sessions", "live:tabs", "live:users", "view:current"]


@pytest.mark.parametrize("lost", KEYS)
def test_a_lost_key_is_noticed_and_a_recount_brings_agreement(stage: Stage, lost: str) -> None:
    sessions = [ANN, tab("a2", "ann"), BOB]
    stage.arrive(*sessions, held=3)
    before = stage.dump()
    run_one(("DEL", stage.key(lost)))
    assert not stage.audit().agrees_with_itself
    stage.beat(*sessions, held=3)
    figures, _ = stage.recount(0)
    assert figures == Figures("", 2, 2, 2)
    assert stage.dump() == before
    assert stage.audit().agrees_with_itself


def test_a_recount_lets_go_of_who_was_not_announced(stage: Stage) -> None:
    stage.arrive(ANN, BOB, CHO)
    stage.at = 10_000
    stage.beat(ANN)
    stage.at = 10_001
    stage.beat(BOB)
    assert stage.recount(10_001) == (Figures("", 1, 3, 3), 2)
    found: dict[str, Any] = stage.dump()
    assert (found["hb"], set(found["live:sessions"]), found["live:users"]) == ({"b1": 10_001}, {"b1"}, {"bob"})
    before = stage.dump()
    assert stage.recount(10_001) == (Figures("", 1, 3, 3), 0)
    assert stage.dump() == before


def test_a_recount_drops_half_known_sessions(stage: Stage) -> None:
    stage.arrive(ANN, BOB, CHO)
    run_one(("ZREM", stage.key("hb"), "a1"))
    run_one(("HDEL", stage.key("live:sessions"), "b1"))
    assert stage.recount(0) == (Figures("", 1, 3, 3), 2)
    assert stage.dump()["live:tabs"] == {"cho": "1"}
    assert stage.audit().agrees_with_itself


def test_a_repair_is_asked_for_once(stage: Stage) -> None:
    assert run_one(store.repair_asked(7)) is None
    assert run_one(store.repair_ask(stream_id=7, now_ms=NOON)) is True
    assert run_one(store.repair_ask(stream_id=7, now_ms=NOON + 1)) is None
    assert run_one(store.repair_asked(7)) == str(NOON).encode()
    assert stage.ttls()["view:repair"] in range(290, 301)
    assert [run_one(store.repair_done(7)), run_one(store.repair_done(7))] == [1, 0]
