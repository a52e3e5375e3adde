"""What gates tell those who run zones: how lines stand, who is there; and what is forgotten of it."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.realtime import redis
from apps.waitingroom import board_store, services, store
from apps.waitingroom.bearing import Bearing
from apps.waitingroom.board_store import Board, board_look, board_read
from apps.waitingroom.rules import Mode
from tests.services.both import on_both
from tests.services.waiting import eventually
from tests.services.web import WebServer
from tests.waitingroom.gate import zone_open
from tests.waitingroom.gates import Gate
from tests.waitingroom.zones import ask

NOON = 1_798_102_800_000


def board(**options: Any) -> Board:
    return board_read(ask(board_look(**options)))


async def board_now(**options: Any) -> Board:
    return board_read((await redis.run([board_look(**options)]))[0])


def bearing(at: int = NOON, **changes: Any) -> Bearing:
    figures = {"at": at, "epoch": 1, "version": 1, "waiting": 0, "called": 0, "entering": 0, "eta": None}
    return Bearing(**{**figures, "front": 0, "moved": at, "grown": 0, "since": 0, **changes})


def tell(told: dict[str, Bearing]) -> None:
    redis.ask_now(board_store.lines_tell({zone_id: each.to_json() for zone_id, each in told.items()}))


# --- the commands -------------------------------------------------------------------------------------------------


@on_both
def test_what_was_told_is_read_and_what_sleeps_is_not(redis_url: str) -> None:
    assert board(now_ms=NOON) == Board(now_ms=NOON, zones_version=0, roles_version=0)
    many = {f"z{number}": bearing(waiting=number) for number in range(1_500)}
    tell(many)
    redis.ask_now([board_store.roles_changed()])
    assert board(now_ms=NOON) == Board(now_ms=NOON, zones_version=0, roles_version=1, lines=many)
    redis.ask_now(board_store.lines_tell({}, asleep=["z0", "nowhere", *(f"z{number}" for number in range(2, 1_500))]))
    assert board(now_ms=NOON).lines == {"z1": many["z1"]}
    assert board(now_ms=NOON, zone_id="z1").lines == {"z1": many["z1"]}
    assert board(now_ms=NOON, zone_id="z0").lines == {}
    assert board_store.lines_tell({}) == []


def test_what_cannot_be_understood_is_left_out(redis_url: str) -> None:
    tell({"good": bearing()})
    redis.ask_now([("HSET", board_store.LINES, "bad", "{}", "worse", b"\xff\xfe")])
    assert list(board(now_ms=NOON).lines) == ["good"]


@on_both
def test_the_register_of_gates(redis_url: str) -> None:
    reports: list[tuple[str, int, dict[str, int]]] = [
        ("one", 0, {"a": 1}),
        ("two", 5_000, {}),
        ("one", 6_000, {"a": 2, "b": 0}),
        ("three", 7_000, {}),
    ]
    for gate, at, sockets in reports:
        ask(board_store.gate_report(gate=gate, sockets=sockets, now_ms=NOON + at))
    redis.ask_now(board_store.gate_gone("three"))
    shown = board(gates=True, now_ms=NOON + 20_000).gates
    assert shown is not None
    assert {gate: (one.at, one.sockets) for gate, one in shown.items()} == {
        "one": (NOON + 6_000, {"a": 2, "b": 0}),
        "two": (NOON + 5_000, {}),
    }
    assert list(board(gates=True, now_ms=NOON + 20_001).gates or {}) == ["one"]
    assert board(now_ms=NOON).gates is None


def test_what_silent_gates_told_is_forgotten_after_a_minute_and_they_are_after_ten(redis_url: str) -> None:
    ask(board_store.gate_report(gate="dead", sockets={"a": 1}, now_ms=NOON))

    def known_after(ms: int) -> tuple[int, set[bytes], set[bytes]]:
        forgotten = ask(board_store.gate_report(gate="new", sockets={}, now_ms=NOON + ms))
        return forgotten, set(ask(("HKEYS", board_store.GATES))), set(ask(("ZRANGE", board_store.SERVERS, 0, -1)))

    both = {b"dead", b"new"}
    assert known_after(60_000) == (0, both, both)
    assert known_after(60_001) == (0, {b"new"}, both)
    assert known_after(600_000) == (0, {b"new"}, both)
    assert known_after(600_001) == (1, {b"new"}, {b"new"})


# --- what a gate tells --------------------------------------------------------------------------------------------


@on_both
async def test_a_gate_tells_of_the_lines_it_keeps_up_with(redis_url: str) -> None:
    rules = zone_open(per_minute=60, mode=Mode.QUEUE_ALL)
    zone_open(zone_id="asleep")
    gate = Gate()
    keeper = await gate.zone()
    keeper.sockets = 2
    await gate.join(keeper, 100)
    await gate.house.tell_all()
    await gate.house.teller.tell()
    seen = await board_now(gates=True)
    (told,) = seen.lines.values()
    assert list(seen.lines) == ["concert"]
    assert (told.waiting, told.entering, told.version, told.gate) == (100, 0, rules.version, gate.house.server)
    assert (told.lost, 80 <= (told.eta or 0) <= 120, 0 <= seen.now_ms - told.at < 5_000) == (False, True, True)
    assert seen.gates is not None
    assert seen.gates[gate.house.server].sockets == {"concert": 2}


@on_both
async def test_a_line_that_falls_asleep_is_taken_off(redis_url: str) -> None:
    zone_open()
    gate = Gate()
    await gate.zone()
    await gate.house.teller.tell()
    assert list((await board_now()).lines) == ["concert"]
    gate.ticks.ahead += 1_000
    keeper = gate.house.zone("concert")
    assert keeper is not None
    keeper.sleep_if_idle()
    await gate.house.teller.tell()
    assert (await board_now()).lines == {}


@on_both
async def test_a_line_that_redis_lost_is_told_to_be_lost(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL)
    gate = Gate()
    keeper = await gate.zone()
    await gate.join(keeper, 5)
    redis.run_now([("DEL", "line:{concert}")])
    await gate.house.tell_all()
    await gate.house.teller.tell()
    assert (await board_now()).lines["concert"].lost is True
    await gate.house.tell_all()
    await gate.house.tell_all()
    await gate.house.teller.tell()
    told = (await board_now()).lines["concert"]
    assert (told.lost, told.waiting) == (False, 5)


async def test_what_did_not_get_through_is_told_again(private_redis: Any, use_redis: Any) -> None:
    use_redis(private_redis.url)
    zone_open()
    gate = Gate()
    await gate.zone()
    private_redis.stop()
    await gate.house.teller.tell()
    private_redis.start()

    await gate.house.teller.tell()
    seen = await board_now(gates=True)
    assert (list(seen.lines), list(seen.gates or {})) == (["concert"], [gate.house.server])


async def test_a_gate_that_leaves_is_off_the_register(redis_url: str) -> None:
    zone_open()
    gate = Gate()
    await gate.zone()
    await gate.house.teller.tell()
    await gate.house.drain(0.0)
    assert (await board_now(gates=True)).gates == {}


async def test_five_hundred_lines_are_told_quickly_and_in_one_command(redis_url: str) -> None:
    gate = Gate()
    for number in range(500):
        zone_open(zone_id=f"z{number}", mode=Mode.QUEUE_ALL)
    await gate.house.catalogue.look(again=True)
    for keeper in gate.house.zones():
        keeper.touch()
    await gate.house.tell_all()
    await gate.house.teller.tell()
    client = redis.sync_client()
    before = client.info("commandstats")["cmdstat_hset"]["calls"]
    await gate.house.teller.tell()
    assert client.info("commandstats")["cmdstat_hset"]["calls"] == before + 1
    assert len((await board_now()).lines) == 500


# --- what is left behind ------------------------------------------------------------------------------------------


@on_both
def test_what_a_dead_gate_left_behind_goes_when_the_line_is_empty(redis_url: str) -> None:
    zone_open(zone_id="empty")
    standing = zone_open(zone_id="standing", mode=Mode.QUEUE_ALL)
    now_ms = board().now_ms
    ask(store.join(zone_id="standing", epoch=standing.epoch, server="t", batch=1, count=3))
    long_ago, just_now = now_ms - 61_000, now_ms
    tell({"empty": bearing(long_ago, waiting=3), "standing": bearing(long_ago, waiting=3), "gone": bearing(long_ago)})
    services.zones_evict()
    assert list(board().lines) == ["standing"]
    tell({"empty": bearing(just_now)})
    services.zones_evict()
    assert sorted(board().lines) == ["empty", "standing"]


@pytest.mark.parametrize("role", ["all", "gate"])
def test_a_server_that_nobody_has_asked_yet_is_there(
    web: Callable[..., WebServer], transactional_db: None, role: str
) -> None:
    server = web(role=role)

    def gates() -> list[int]:
        return [len(gate.sockets) for gate in (board(gates=True).gates or {}).values()]

    assert eventually(lambda: gates() or None) == [0]
    assert server.terminate(deadline=20) == 0
    assert gates() == []
