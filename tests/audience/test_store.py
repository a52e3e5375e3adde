"""Coming and staying: what announce counts, keeps and answers, on both kinds of Redis."""

import pytest

from apps.audience import store
from apps.audience.store import Figures
from tests.audience.stage import NOON, Stage, both, run_one, tab

pytestmark = both


def test_a_first_arrival_writes_every_key(stage: Stage) -> None:
    stage.open()
    assert stage.arrive(tab("t1", "ann"), held=1) == Figures("live", 1, 1, 1)
    found = stage.dump()
    assert found.pop("view:unique:20260301").startswith(b"HYLL")
    assert found == {
        "hb": {"t1": 0},
        "live:sessions": {"t1": f"{tab('t1', 'ann').owner}|{NOON}|ann"},
        "live:tabs": {"ann": "1"},
        "live:users": {"ann"},
        "live:servers": {"one": f"1|{NOON}"},
        "view:current": b"1",
        "view:peak": b"1",
        "view:total": b"1",
        "view:recent_users": {"ann": 0},
        "view:state": b"live",
    }
    assert stage.unique() == 1
    ttls = stage.ttls()
    assert ttls.pop("view:unique:20260301") in range(172_790, 172_801)
    assert ttls.pop("view:recent_users") in range(110, 121)
    assert set(ttls.values()) == {-1}


def test_an_arrival_told_twice_changes_nothing_but_when_it_was_heard(stage: Stage) -> None:
    first = stage.arrive(tab("t1", "ann"), held=1)
    before = stage.dump()
    assert stage.arrive(tab("t1", "ann"), held=1) == first == Figures("", 1, 1, 1)
    assert stage.dump() == before
    stage.at = 5_000
    assert stage.arrive(tab("t1", "ann"), held=1) == first
    assert stage.dump() == {**before, "hb": {"t1": 5_000}, "live:servers": {"one": f"1|{NOON + 5_000}"}}


def test_viewers_are_counted_and_not_tabs(stage: Stage) -> None:
    tabs = [tab(f"t{number}", "ann") for number in range(1000)]
    for start in (0, 500):
        figures = stage.arrive(*tabs[start : start + 500], held=1000)
    assert figures == Figures("", 1, 1, 1)
    assert stage.dump()["live:tabs"] == {"ann": "1000"}
    assert stage.audit().agrees_with_itself
    assert stage.depart(*tabs[:500], held=500) == Figures("", 1, 1, 1)
    assert stage.depart(*tabs[500:999], held=1) == Figures("", 1, 1, 1)
    assert stage.depart(tabs[999]) == Figures("", 0, 1, 1)
    assert {"hb", "live:sessions", "live:tabs", "live:users", "live:servers"} & set(stage.dump()) == set()


def test_the_largest_calls_are_within_what_lua_unpacks(stage: Stage) -> None:
    many = [tab(f"t{number}", f"v{number}") for number in range(store.BEATS_PER_CALL)]
    arrivals = many[: store.ARRIVALS_PER_CALL]
    assert (len(arrivals), len(many)) == (500, 1000)
    assert stage.arrive(*arrivals) == Figures("", 500, 500, 500)
    assert stage.beat(*many) == Figures("", 1000, 1000, 500)  # what Redis lost comes back without a visit
    assert stage.beat(*many) == Figures("", 1000, 1000, 500)
    newer = [tab(f"t{number}", f"v{number}", connected=9) for number in range(1000)]
    assert stage.beat(*newer) == Figures("", 1000, 1000, 500)
    assert stage.lost(*many) == [session.session_id for session in many]
    assert stage.depart(*newer[:500], held=500) == Figures("", 500, 1000, 500)
    assert stage.depart(*newer[500:]) == Figures("", 0, 1000, 500)
    assert abs(stage.unique() - 1000) < 40  # an estimate, standard error 0.81%


def test_coming_back_within_two_minutes_is_the_same_visit(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"))
    stage.at = 600_000  # a long visit, heard of all the time
    stage.beat(tab("t1", "ann"))
    stage.depart(tab("t1", "ann"))
    stage.at += 119_999
    assert stage.arrive(tab("t2", "ann", connected=stage.at)) == Figures("", 1, 1, 1)


def test_coming_back_after_two_minutes_is_a_new_visit(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"))
    stage.at = 600_000
    stage.depart(tab("t1", "ann"))
    stage.at += 120_000
    assert stage.arrive(tab("t2", "ann", connected=stage.at)) == Figures("", 1, 1, 2)
    assert stage.unique() == 1


def test_a_second_tab_is_no_visit_however_late_it_opens(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"))
    stage.at = 3_600_000
    assert stage.arrive(tab("t2", "ann")) == Figures("", 1, 1, 1)


def test_visits_of_several_viewers_in_one_call(stage: Stage) -> None:
    stage.arrive(tab("a1", "ann"), tab("b1", "bob"))
    stage.depart(tab("a1", "ann"), tab("b1", "bob"))
    stage.at = 60_000
    figures = stage.arrive(tab("a2", "ann"), tab("a3", "ann"), tab("c1", "cho"), tab("d1", "dee"))
    assert figures == Figures("", 3, 3, 4)


def test_unique_is_of_a_day_in_seoul(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"), tab("t2", "bob"))
    assert stage.unique() == 2
    stage.depart(tab("t1", "ann"))
    stage.day = "20260302"
    assert stage.unique() == 0
    stage.arrive(tab("t3", "ann"))
    assert stage.unique() == 1
    stage.day = "20260301"
    assert stage.unique() == 2


def test_a_heartbeat_puts_back_what_redis_lost(stage: Stage) -> None:
    sessions = [tab("a1", "ann"), tab("a2", "ann"), tab("b1", "bob")]
    stage.arrive(*sessions)
    before = stage.dump()
    for key in ("hb", "live:sessions", "live:tabs", "live:users", "live:servers", "view:current"):
        run_one(("DEL", stage.key(key)))
    assert stage.beat(*sessions) == Figures("", 2, 2, 2)
    assert stage.dump() == before


def test_peak_and_total_come_back_from_what_the_server_saw(stage: Stage) -> None:
    assert stage.beat(tab("t1", "ann"), known=Figures("live", 90, 120, 4_000)) == Figures("", 1, 120, 4_000)
    # A server that knows less pulls nothing down, one that knows more raises it.
    assert stage.beat(tab("t1", "ann"), known=Figures("live", 1, 2, 3)) == Figures("", 1, 120, 4_000)
    assert stage.beat(tab("t1", "ann"), known=Figures("live", 1, 121, 4_001)) == Figures("", 1, 121, 4_001)


def test_an_arrival_after_a_wipe_counts_on_from_what_the_server_saw(stage: Stage) -> None:
    known = Figures("live", 5, 10, 100)
    assert stage.arrive(tab("t1", "ann"), tab("t2", "bob"), known=known) == Figures("", 2, 10, 102)


def test_an_empty_announcement_reports_and_changes_nothing(stage: Stage) -> None:
    stage.arrive(tab("t1", "ann"), held=1)
    before = stage.dump()
    assert stage.beat(server="two", held=0) == Figures("", 1, 1, 1)
    assert stage.dump() == before
    stage.beat(server="two", held=3)
    assert stage.dump() == {**before, "live:servers": {"one": f"1|{NOON}", "two": f"3|{NOON}"}}


def test_streams_do_not_touch_each_other(stage: Stage) -> None:
    other = Stage(8)
    stage.arrive(tab("t1", "ann"))
    other.arrive(tab("t1", "ann", stream_id=8), tab("t2", "bob", stream_id=8))
    before = other.dump()
    stage.depart(tab("t1", "ann"))
    stage.end()
    assert other.dump() == before
    assert other.figures() == Figures("", 2, 2, 2)


@pytest.mark.parametrize("name", ["a|b", "한글", "x" * 64, "-"])
def test_a_viewer_is_found_again_whatever_the_name(stage: Stage, name: str) -> None:
    """Tokens allow letters, digits, - and _ only; a bar would end the record early, all else is kept."""
    viewer = name.replace("|", "")
    stage.arrive(tab("t1", viewer))
    assert stage.dump()["live:users"] == {viewer}
    assert stage.depart(tab("t1", viewer)) == Figures("", 0, 1, 1)
