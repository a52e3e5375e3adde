"""Sessions that are over: each is written down once, in the step that ends it, and handed out till acknowledged."""

from typing import Any

import pytest

from apps.audience import house_store, past_store, store
from apps.audience.house_store import Listing
from apps.audience.past_store import Waiting
from apps.audience.store import Figures
from apps.realtime import redis
from apps.realtime.redis import sync_client
from tests.audience.stage import NOON, Stage, both, run_one, tab

pytestmark = both
ANN, BOB, CHO = tab("a1", "ann"), tab("b1", "bob", connected=500), tab("c1", "cho")


def past(stage: Stage) -> list[str]:
    """Records that wait, in the order in which they came."""
    return stage.dump().get("live:past", [])


def take(consumer: str = "one", *, count: int = 500, after_ms: int | None = None) -> list[tuple[bytes, str]]:
    reply = run_one(past_store.take(stream_id=7, consumer=consumer, count=count, taken_over_after_ms=after_ms))
    return [(record_id, record.decode()) for record_id, record in past_store.taken_read(reply)]


def acknowledge(taken: list[tuple[bytes, str]]) -> Waiting:
    return past_store.waiting_read(run_one(past_store.acknowledge(stream_id=7, ids=[one for one, _ in taken])))


def test_who_leaves_is_written_down_with_both_moments(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.at = 90_000
    stage.depart(BOB, ANN)
    assert past(stage) == [f"b1|{NOON + 90_000}|left|{NOON + 500}|bob", f"a1|{NOON + 90_000}|left|{NOON}|ann"]


def test_late_and_double_leaves_write_nothing(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.depart(ANN, ANN)
    stage.depart(ANN, tab("b1", "bob"), tab("z9", "eve"))
    assert past(stage) == [f"a1|{NOON}|left|{NOON}|ann"]


def test_a_tab_opened_elsewhere_takes_its_session_along(stage: Stage) -> None:
    stage.arrive(ANN)
    stage.at = 5_000
    stage.arrive(tab("a1", "ann", connected=5_000, server="two"), server="two")
    stage.depart(ANN)
    assert past(stage) == []
    stage.at = 9_000
    stage.depart(tab("a1", "ann", connected=5_000, server="two"), server="two")
    assert past(stage) == [f"a1|{NOON + 9_000}|left|{NOON}|ann"]


def test_who_comes_back_within_the_grace_has_one_session(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.at = 10_000
    stage.depart(ANN, BOB, grace_ms=20_000)
    stage.at = 15_000
    again = tab("a1", "ann", connected=15_000, server="two")
    stage.arrive(again, server="two")
    stage.at = 30_001
    stage.sweep()
    # bob did not come back: he is taken to have gone when his server sent him away
    assert past(stage) == [f"b1|{NOON + 10_000}|expired|{NOON + 500}|bob"]
    stage.at = 40_000
    stage.depart(again, server="two")
    assert past(stage)[1:] == [f"a1|{NOON + 40_000}|left|{NOON}|ann"]


def test_who_fell_silent_watched_as_long_as_they_were_heard_of(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.at = 15_000
    stage.beat(ANN)
    stage.at = 75_001
    stage.sweep()
    assert past(stage) == [f"b1|{NOON}|expired|{NOON + 500}|bob", f"a1|{NOON + 15_000}|expired|{NOON}|ann"]


def test_who_is_let_go_by_a_recount_is_written_down(stage: Stage) -> None:
    stage.arrive(ANN, BOB, CHO)
    run_one(("ZREM", stage.key("hb"), "c1"))
    stage.at = 10_000
    stage.beat(BOB)
    assert stage.recount(9_000) == (Figures("", 1, 3, 3), 2)
    assert past(stage) == [f"a1|{NOON}|expired|{NOON}|ann", f"c1|{NOON + 9_000}|expired|{NOON}|cho"]
    stage.recount(9_000)
    assert len(past(stage)) == 2


def test_an_end_puts_everybody_aside_and_taking_writes_them_down(stage: Stage) -> None:
    stage.open()
    stage.arrive(ANN, BOB)
    stage.depart(BOB)
    stage.at = 60_000
    waiting, dropped = stage.end_past()
    assert (waiting.records, dropped) == (2, 0)
    stage.at = 99_000
    stage.end()  # a second end moves nothing
    assert {record for _, record in take()} == {
        f"b1|{NOON}|left|{NOON + 500}|bob",
        f"a1|{NOON + 60_000}|ended|{NOON}|ann",
    }
    assert take() == []
    assert acknowledge(take(after_ms=0)) == Waiting(0, 0)
    assert [key for key in stage.dump() if key.startswith("live:past")] == []


def test_an_end_of_very_many_is_written_down_bit_by_bit_and_all_of_it(stage: Stage) -> None:
    names = [f"t{number}" for number in range(1_203)]
    for start in range(0, len(names), 500):
        stage.beat(*[tab(name, f"v{name}") for name in names[start : start + 500]])
    assert stage.end_past()[0] == Waiting(1_203, NOON)
    seen: list[str] = []
    while some := take(count=200):
        assert len(some) <= 200
        seen += [record for _, record in some]
        acknowledge(some)
    assert sorted(seen) == sorted(f"{name}|{NOON}|ended|{NOON}|v{name}" for name in names)
    assert [key for key in stage.dump() if key.startswith("live:past")] == []


def test_what_another_has_not_acknowledged_holds_up_nobody_who_takes_from_an_end(stage: Stage) -> None:
    names = [f"t{number:04}" for number in range(1_000)]
    for start in range(0, 1_000, 500):
        stage.beat(*[tab(name, "ann") for name in names[start : start + 500]])
    stage.depart(*[tab(name, "ann") for name in names[:50]])
    stage.end()
    calls = [take("dead", count=300), *[take("alive", count=300) for _ in range(5)]]
    taken = [record.split("|")[0] for call in calls for _, record in call]
    assert sorted(taken) == names
    assert all(len(call) <= 300 for call in calls)


def test_an_end_after_an_end_that_redis_forgot_loses_nobody(stage: Stage) -> None:
    stage.arrive(ANN)
    stage.end()
    run_one(("DEL", stage.key("view:state")))
    stage.at = 1_000
    stage.arrive(BOB)
    stage.end()
    assert sorted(record for _, record in take()) == [
        f"a1|{NOON}|ended|{NOON}|ann",
        f"b1|{NOON + 1_000}|ended|{NOON + 500}|bob",
    ]


def test_nobody_is_handed_what_another_has(stage: Stage) -> None:
    stage.arrive(*[tab(f"t{number}", "ann") for number in range(6)])
    stage.depart(*[tab(f"t{number}", "ann") for number in range(6)])
    first, second = take("one", count=4), take("two", count=4)
    assert [record.split("|")[0] for _, record in first + second] == [f"t{number}" for number in range(6)]
    assert (take("one"), take("two")) == ([], [])
    assert acknowledge(second).records == 4
    assert acknowledge(second).records == 4  # late and double: nothing
    # The first is dead: what it had goes to the other, and what it says after that does no harm.
    assert take("two", after_ms=0) == first
    assert acknowledge(first) == Waiting(0, 0)
    assert acknowledge(first) == Waiting(0, 0)
    assert past(stage) == []


def test_records_come_back_together_with_new_ones(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.depart(ANN)
    (lost,) = take("one")
    stage.depart(BOB)
    assert [record.split("|")[0] for _, record in take("two", after_ms=0)] == ["a1", "b1"]
    assert lost[1].startswith("a1|")


def test_what_waits_is_told_by_every_sweep(stage: Stage) -> None:
    stage.open()
    assert stage.sweep_past() == (Waiting(0, 0), 0)
    stage.arrive(ANN, BOB)
    stage.depart(ANN)
    stage.depart(BOB)
    waiting, dropped = stage.sweep_past()
    client: Any = sync_client()
    assert (waiting.records, dropped) == (2, 0)
    assert abs(waiting.since_ms - int(client.time()[0]) * 1000) < 5_000  # Redis's own clock
    assert acknowledge(take(count=1)).records == 1
    assert stage.sweep_past()[0].records == 1


def test_past_the_room_nothing_is_kept_and_all_of_that_is_counted(stage: Stage) -> None:
    stage.open()
    tabs = [tab(f"t{number}", "ann") for number in range(9)]
    stage.arrive(*tabs)
    stage.sweep(room=3)
    stage.depart(*tabs[:2])
    stage.depart(*tabs[2:6])
    assert [record.split("|")[0] for record in past(stage)] == ["t0", "t1", "t2"]
    waiting, dropped = stage.sweep_past(room=3)
    assert (waiting.records, dropped) == (3, 3)
    assert stage.sweep_past(room=3)[1] == 0  # told once
    acknowledge(take())
    stage.depart(tabs[6])
    assert past(stage) == [f"t6|{NOON}|left|{NOON}|ann"]
    stage.sweep(room=0)
    stage.depart(tabs[7])
    assert stage.end_past()[1] == 2  # t7, and t8 who was there at the end
    stage.sweep(room=5)
    acknowledge(take())
    assert [key for key in stage.dump() if key.startswith("live:past")] == []


def test_a_stream_that_does_not_exist_leaves_nothing(stage: Stage) -> None:
    stage.arrive(ANN, BOB)
    stage.depart(ANN)
    run_one(store.forget(stream_id=7, day=stage.day))
    assert stage.dump() == {}


# --- the register -------------------------------------------------------------------------------------------------


def listed(is_there: bool) -> None:
    redis.run_now(
        house_store.listing_put(Listing(7, 1, "talk", "A talk", "Mina")) if is_there else house_store.listing_drop(7, 1)
    )


def registered() -> list[int]:
    return [int(member) for member in run_one(past_store.registered(10))]


def house() -> Waiting:
    return past_store.house_waiting_read(redis.run_now(past_store.house_waiting()))


def test_the_register_has_the_longest_waiting_first(stage: Stage) -> None:
    assert (registered(), house()) == ([], Waiting(0, 0))
    run_one(past_store.register({7: Waiting(3, 900), 8: Waiting(5, 400), 9: Waiting(0, 0)}))
    assert (registered(), house()) == ([8, 7], Waiting(8, 400))
    run_one(past_store.register({7: Waiting(4, 950)}))
    assert (registered(), house()) == ([8, 7], Waiting(9, 400))
    settled = past_store.register_settle({8: Waiting(1, 1_000)}, were_listed={8: True})
    assert [run_one(settled), registered(), house()] == [0, [7, 8], Waiting(5, 900)]
    reply = past_store.looked_up_read(redis.run_now(past_store.looked_up([7, 8, 9])))
    assert reply == [(4, False), (1, False), (0, False)]


@pytest.mark.parametrize(
    ("before", "now", "leaves"),
    [(True, True, True), (False, False, True), (False, True, True), (True, False, False)],
    ids=["live", "over", "back again", "ended in between"],
)
def test_an_empty_stream_leaves_the_register_unless_it_ended_in_between(
    stage: Stage, before: bool, now: bool, leaves: bool
) -> None:
    run_one(past_store.register({7: Waiting(3, 900)}))
    listed(now)
    assert run_one(past_store.register_settle({7: Waiting(0, 0)}, were_listed={7: before})) == leaves
    assert registered() == ([] if leaves else [7])


@pytest.mark.parametrize("is_guarded", [False, True], ids=["without the guard", "with it"])
def test_a_stream_that_ends_while_it_is_emptied_is_not_forgotten(stage: Stage, is_guarded: bool) -> None:
    """The race: looked at, emptied; it ends with somebody in it, is put on the register again; and is taken off."""
    stage.open()
    listed(True)
    stage.arrive(ANN, BOB)
    stage.depart(ANN)
    run_one(past_store.register({7: stage.sweep_past()[0]}))
    ((_, was_listed),) = past_store.looked_up_read(redis.run_now(past_store.looked_up([7])))
    empty = acknowledge(take())
    run_one(past_store.register({7: stage.end_past()[0]}))
    listed(False)
    run_one(past_store.register_settle({7: empty}, were_listed={7: was_listed if is_guarded else False}))
    assert stage.dump()["live:past:ended"].keys() == {"b1"}
    assert registered() == ([7] if is_guarded else [])  # without it nobody ever looks there again
