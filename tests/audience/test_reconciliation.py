"""Three steps: servers report, sums are compared, Redis is repaired; in time, once, and never too early."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.audience import house_store, store
from apps.audience.house_store import Listing
from apps.audience.reconciliation import REPAIR_PATIENCE_MS, Reconciled, audience_reconcile
from apps.audience.selectors import CountsUnavailable
from apps.audience.sessions import Session
from apps.audience.store import Figures
from apps.realtime import redis
from tests.audience.stage import NOON, Stage, both, run_one, tab
from tests.services.redis_server import RedisServer

pytestmark = both

QUIET = Reconciled(streams=1, drift=0, asked=0, repaired=0)
ASKED = Reconciled(streams=1, drift=0, asked=1, repaired=0)


def people(count: int, *, server: str = "one", first: int = 0) -> list[Session]:
    return [tab(f"t{number}", f"v{number}", server=server) for number in range(first, first + count)]


@pytest.fixture
def room(stage: Stage) -> Stage:
    """Stream 7, live and in the catalogue."""
    stage.open()
    redis.run_now(house_store.listing_put(Listing(7, 1, "talk", "A talk", "Mina")))
    return stage


def alive(stage: Stage, *servers: str) -> None:
    """These processes are registered now."""
    redis.run_now(
        [c for s in servers for c in house_store.server_report(server=s, now_ms=stage.now_ms, about={"pid": 1})]
    )


def reconcile(stage: Stage) -> Reconciled:
    return audience_reconcile(now_ms=stage.now_ms)


def test_what_agrees_is_left_alone(room: Stage) -> None:
    alive(room, "one", "two")
    room.arrive(*people(20), server="one", held=20)
    room.arrive(*people(5, server="two", first=20), server="two", held=5)
    before = room.dump()
    assert reconcile(room) == QUIET
    assert REGISTRY.get_sample_value("fullhouse_audience_drift") == 0
    assert room.dump() == before


def test_joins_and_leaves_under_way_are_no_drift(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(20), held=25)
    assert reconcile(room) == Reconciled(1, 5, 0, 0)
    room.tell_all(held=26)
    assert reconcile(room) == Reconciled(1, 6, 1, 0)


def test_of_a_large_stream_one_in_a_hundred_may_be_under_way(room: Stage) -> None:
    alive(room, "one")
    room.tell_all(*people(1000), held=1010)
    assert reconcile(room) == Reconciled(1, 10, 0, 0)
    room.tell_all(held=989)
    assert reconcile(room) == Reconciled(1, 11, 1, 0)


def test_ghosts_are_let_go_once_servers_have_announced(room: Stage) -> None:
    alive(room, "one")
    here, ghosts = people(3), people(10, first=3)
    room.arrive(*here, *ghosts, held=3)
    room.at = 1
    assert reconcile(room) == Reconciled(1, 10, 1, 0)
    room.at = 5_000
    room.tell_all(*here, held=3)
    assert room.figures().current == 13
    room.at = 25_000
    alive(room, "one")
    room.tell_all(*here, held=3)
    assert reconcile(room) == Reconciled(1, 10, 0, 1)
    assert room.figures() == Figures("live", 3, 13, 13)
    assert room.audit().agrees_with_itself
    assert reconcile(room) == QUIET


KEYS = ["hb", "live:sessions", "live:tabs", "live:users", "view:current"]


@pytest.mark.parametrize("lost", KEYS)
def test_a_lost_key_is_repaired(room: Stage, lost: str) -> None:
    alive(room, "one")
    sessions = [*people(8), tab("t0b", "v0")]
    room.arrive(*sessions, held=9)
    run_one(("DEL", room.key(lost)))
    assert reconcile(room).asked == 1
    room.at = 20_000
    alive(room, "one")
    room.tell_all(*sessions, held=9)
    assert reconcile(room).repaired == 1
    assert room.figures() == Figures("live", 8, 8, 8)
    found = room.dump()
    assert found["live:tabs"] == {**{f"v{number}": "1" for number in range(8)}, "v0": "2"}
    assert set(found["live:sessions"]) == set(found["hb"]) == {session.session_id for session in sessions}
    assert "view:repair" not in found
    assert reconcile(room) == QUIET


def test_lost_reports_come_back_with_the_next_announcement(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(8), held=8)
    run_one(("DEL", room.key("live:servers")))
    assert reconcile(room) == Reconciled(1, 8, 1, 0)
    room.at = 20_000
    alive(room, "one")
    room.tell_all(*people(8), held=8)
    assert reconcile(room) == Reconciled(1, 0, 0, 1)
    assert room.figures() == Figures("live", 8, 8, 8)


def test_a_server_that_is_not_registered_counts_for_nothing(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(3), held=3)
    room.arrive(*people(7, server="dead", first=3), server="dead", held=7)
    room.at = 1
    assert reconcile(room) == Reconciled(1, 7, 1, 0)
    assert set(room.audit().reports) == {"one", "dead"}  # it may only be late
    room.at = 20_001
    alive(room, "one")
    room.tell_all(*people(3), held=3)
    assert reconcile(room) == Reconciled(1, 7, 0, 1)  # its silence holds up nobody
    assert room.figures() == Figures("live", 3, 10, 10)
    room.at = 60_001
    alive(room, "one")
    room.tell_all(*people(3), held=3)
    assert reconcile(room) == QUIET
    assert set(room.audit().reports) == {"one"}


def test_a_server_is_registered_for_fifteen_seconds_after_its_last_report(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(8), held=8)
    room.at = 15_000
    assert reconcile(room) == QUIET
    room.at = 15_001
    assert reconcile(room) == Reconciled(1, 8, 1, 0)


def test_a_server_silent_for_long_is_taken_off_the_register(room: Stage) -> None:
    alive(room, "one")
    room.at = 600_000
    reconcile(room)
    assert run_one(house_store.servers_since(0)) == [b"one"]
    room.at = 600_001
    reconcile(room)
    assert redis.run_now([house_store.servers_since(0), ("EXISTS", f"{house_store.SERVERS}:one")]) == [[], 0]


def test_a_repair_waits_for_a_server_that_has_not_answered(room: Stage) -> None:
    alive(room, "one", "slow")
    room.arrive(*people(3), held=3)
    room.arrive(*people(3, server="slow", first=3), server="slow", held=3)
    run_one(("DEL", room.key("live:tabs")))
    room.at = 1
    assert reconcile(room).asked == 1
    room.at = 30_000
    alive(room, "one", "slow")
    room.tell_all(*people(3), held=3)
    before = room.dump()
    assert reconcile(room).repaired == 0
    assert room.dump() == before
    room.tell_all(*people(3, server="slow", first=3), server="slow", held=3)
    assert reconcile(room).repaired == 1
    assert room.figures() == Figures("live", 6, 6, 6)


def test_a_join_is_no_answer_to_a_repair(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(3), held=3)
    run_one(("DEL", room.key("live:tabs")))
    room.at = 1
    assert reconcile(room).asked == 1
    room.at = 30_000
    alive(room, "one")
    room.arrive(tab("t9", "v9", connected=30_000), held=4)  # renews the report, and says nothing of the other three
    assert reconcile(room).repaired == 0
    room.tell_all(*people(3), tab("t9", "v9", connected=30_000), held=4)
    assert reconcile(room).repaired == 1
    assert room.figures() == Figures("live", 4, 4, 4)


def test_a_repair_that_is_never_answered_is_asked_for_anew(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(8), held=8)
    run_one(("DEL", room.key("live:users")))
    room.at = 1
    assert reconcile(room).asked == 1
    room.at = 1 + REPAIR_PATIENCE_MS
    alive(room, "one")
    assert reconcile(room) == QUIET
    assert "view:repair" in room.dump()
    room.at += 1
    assert reconcile(room) == QUIET
    assert "view:repair" not in room.dump()
    assert reconcile(room) == ASKED


def test_the_grace_of_a_draining_server_is_respected(room: Stage) -> None:
    alive(room, "one", "leaving")
    room.arrive(*people(3), held=3)
    tabs = people(7, server="leaving", first=3)
    room.arrive(*tabs, server="leaving", held=7)
    room.depart(*tabs, server="leaving", grace_ms=20_000)
    assert reconcile(room) == Reconciled(1, 7, 1, 0)
    for at in (5_000, 19_999):
        room.at = at
        alive(room, "one")
        room.tell_all(*people(3), held=3)
        assert reconcile(room).repaired == 0
        assert room.figures().current == 10
    back = [tab(f"t{number}", f"v{number}", connected=19_000, server="one") for number in range(3, 8)]
    room.arrive(*back, held=8)
    room.at = 20_000
    assert reconcile(room).repaired == 1
    assert room.figures() == Figures("live", 10, 10, 10)  # two tabs have not come back, and their grace is not over
    room.at = 20_001
    room.sweep()
    assert room.figures() == Figures("live", 8, 10, 10)


def test_two_passes_at_once_ask_once_and_repair_to_the_same(room: Stage) -> None:
    alive(room, "one")
    room.arrive(*people(8), held=8)
    run_one(("DEL", room.key("live:tabs")))
    assert [reconcile(room).asked, reconcile(room).asked] == [1, 0]
    assert run_one(store.repair_ask(stream_id=7, now_ms=room.now_ms + 9)) is None
    room.at = 20_000
    alive(room, "one")
    room.tell_all(*people(8), held=8)
    run_one(store.repair_asked(7))
    first, _ = room.recount(0)
    second, let_go = room.recount(0)
    assert (first, second, let_go) == (Figures("live", 8, 8, 8),) * 2 + (0,)
    assert reconcile(room).repaired == 1
    assert reconcile(room) == QUIET


def test_a_house_without_streams_is_in_order(stage: Stage) -> None:
    assert audience_reconcile(now_ms=NOON) == Reconciled(0, 0, 0, 0)


def test_redis_away_is_said(private_redis: RedisServer, use_redis: Callable[[str], str], room: Any) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    with pytest.raises(CountsUnavailable):
        audience_reconcile(now_ms=NOON)
