"""The ledger of a process: joins, leaves and replaced sessions, as Redis comes to know of them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from prometheus_client import REGISTRY

from apps.audience.edge import Edge
from apps.audience.sessions import owner_make
from apps.audience.store import Figures
from apps.realtime.clock import epoch_ms
from tests.audience.seats import ENDED, REPLACED, Process, WatchSeat
from tests.audience.stage import Stage, both
from tests.realtime.peers import turns
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async


def held() -> float:
    return REGISTRY.get_sample_value("fullhouse_audience_sessions") or 0.0


@both
async def test_a_join_is_told_welcomed_and_subscribed(stage: Stage) -> None:
    stage.open()
    process, before = Process(), held()
    ann, bob = process.join("ann"), process.join("bob")
    assert (process.edge.sessions_held(), held() - before) == (2, 2)
    assert await process.edge.flush() is True
    assert stage.figures() == Figures("live", 2, 2, 2)
    assert ann.counts == bob.counts == [(2, 2, 2)]
    assert ann.peer.got[0] is bob.peer.got[0]  # encoded once
    assert {**ann.frames[0], "at": 0} == {"type": "count", "stream": 7, "current": 2, "peak": 2, "total": 2, "at": 0}
    assert stage.audit().reports[process.edge.server][0] == 2
    for seat in (ann, bob):
        process.edge.leave(seat)
    await process.edge.flush()
    assert stage.figures() == Figures("live", 0, 2, 2)
    assert (process.edge.streams, process.edge.hub.topics(), held() - before) == ({}, [], 0)
    assert stage.audit().reports == {}


async def test_changes_go_out_by_themselves_a_moment_later(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")

    async def is_told() -> bool:
        return ann.counts == [(1, 1, 1)]

    await eventually_async(is_told, deadline=5, every=0.005)
    process.edge.leave(ann)

    async def is_gone() -> bool:
        return not process.edge.streams

    await eventually_async(is_gone, deadline=5, every=0.005)
    assert stage.figures() == Figures("live", 0, 1, 1)


async def test_who_leaves_before_it_was_told_leaves_nothing(stage: Stage) -> None:
    stage.open()
    process = Process()
    process.edge.leave(process.join("ann"))
    await process.edge.flush()
    assert set(stage.dump()) <= {"view:state", "view:current"}
    assert stage.figures() == Figures("live", 0, 0, 0)
    assert process.edge.streams == {}


async def test_a_repeated_or_strange_leave_does_nothing(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann, stranger = process.join("ann"), process.seat("bob")
    await process.edge.flush()
    process.edge.leave(stranger)
    process.edge.leave(process.seat("ann"))
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    for _ in range(3):
        process.edge.leave(ann)
    await process.edge.flush()
    process.edge.leave(ann)
    await process.edge.flush()
    assert stage.figures() == Figures("live", 0, 1, 1)
    assert process.edge.sessions_held() == 0


async def test_who_leaves_while_being_told_is_taken_out_after(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    stage, process = Stage(7), Process()
    stage.open()
    private_redis.pause()
    ann, bob = process.join("ann"), process.join("bob")
    telling = asyncio.get_running_loop().create_task(process.edge.flush())
    await turns(50)
    process.edge.leave(ann)
    private_redis.resume()
    assert await telling is True
    assert await process.edge.flush() is True
    assert stage.figures() == Figures("live", 1, 2, 2)
    assert (ann.frames, len(bob.counts)) == ([], 1)


async def test_a_second_connection_of_a_tab_takes_the_place_of_the_first(stage: Stage) -> None:
    stage.open()
    process, before = Process(), held()
    old = process.join("ann", "tab")
    await process.edge.flush()
    new = process.join("ann", "tab")
    assert (old.dismissed, new.dismissed) == ([REPLACED], [])
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    assert stage.dump()["live:sessions"]["tab"].startswith(f"{new.session.owner}|")
    assert (process.edge.sessions_held(), held() - before) == (1, 1)
    process.edge.leave(old)  # its socket closes a moment later
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    await process.tick_after(20)
    assert (len(old.frames), new.counts) == (1, [(1, 1, 1), (1, 1, 1)])
    process.edge.leave(new)
    await process.edge.flush()
    assert stage.figures() == Figures("live", 0, 1, 1)
    assert held() == before


async def test_a_replacement_that_leaves_before_it_was_told_leaves_nothing(stage: Stage) -> None:
    stage.open()
    process = Process()
    process.join("ann", "tab")
    await process.edge.flush()
    process.edge.leave(process.join("ann", "tab"))
    await process.edge.flush()
    assert stage.figures() == Figures("live", 0, 1, 1)
    assert {"hb", "live:sessions", "live:tabs", "live:users", "live:servers"} & set(stage.dump()) == set()


async def test_many_replacements_before_anything_was_told_are_one_viewer(stage: Stage) -> None:
    stage.open()
    process = Process()
    seats = [process.join("ann", "tab") for _ in range(30)]
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    assert [seat.dismissed for seat in seats] == [[REPLACED]] * 29 + [[]]
    assert stage.dump()["live:sessions"]["tab"].startswith(f"{seats[-1].session.owner}|")
    assert seats[-1].counts == [(1, 1, 1)]


async def test_a_newer_connection_on_another_process_dismisses_ours(stage: Stage) -> None:
    stage.open()
    here, there = Process(), Process()
    ours, other = here.join("ann", "tab"), here.join("bob")
    await here.edge.flush()
    later = owner_make(connected_ms=epoch_ms() + 1_000, server=there.edge.server, serial=1)
    theirs = WatchSeat(replace(ours.session, owner=later))
    there.edge.join(theirs)
    await there.edge.flush()
    await here.pulse.announce([here.stream])
    assert (ours.dismissed, other.dismissed, theirs.dismissed) == ([REPLACED], [], [])
    assert (here.edge.sessions_held(), there.edge.sessions_held()) == (1, 1)
    here.edge.leave(ours)
    await here.edge.flush()
    assert stage.figures() == Figures("live", 2, 2, 2)
    await here.pulse.announce([here.stream])
    assert {server: said[0] for server, said in stage.audit().reports.items()} == {
        here.edge.server: 1,
        there.edge.server: 1,
    }


async def test_only_the_connection_that_was_meant_is_dismissed(stage: Stage) -> None:
    process = Process()
    old = process.join("ann", "tab")
    owners = {"tab": old.session.owner}
    new = process.join("ann", "tab")
    process.edge.lose(process.stream, ["tab", "never heard of"], owners)
    assert (new.dismissed, process.edge.sessions_held()) == ([], 1)
    process.edge.lose(process.stream, ["tab"], {"tab": new.session.owner})
    assert (new.dismissed, process.edge.sessions_held()) == ([REPLACED], 0)
    process.edge.lose(process.stream, ["tab"], {"tab": new.session.owner})
    assert new.dismissed == [REPLACED]


def test_a_later_connection_has_the_greater_owner() -> None:
    edge = Edge()
    owners = [edge.session_make(session_id="t", viewer_id="v", stream_id=7).owner for _ in range(2000)]
    assert owners == sorted(set(owners))


@both
async def test_an_ended_stream_is_told_and_closed_by_whoever_notices_first(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    stage.end()
    late = process.join("bob")
    await process.edge.flush()  # the late one is turned away, and the news is for all
    await turns()
    for seat in (ann, late):
        assert seat.frames[-1] == {"type": "ended", "stream": 7}
        assert seat.dismissed == [ENDED]
        process.edge.leave(seat)
    await process.edge.flush()
    assert (process.edge.streams, process.edge.hub.topics()) == ({}, [])
    assert stage.figures() == Figures("ended", 0, 1, 1)


async def test_more_than_one_call_holds(stage: Stage) -> None:
    stage.open()
    process = Process()
    seats = [process.join(f"v{number}") for number in range(1201)]
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1201, 1201, 1201)
    await process.pulse.announce([process.stream])
    assert (stage.figures().total, stage.audit().drift({process.edge.server})) == (1201, 0)
    for seat in seats[:1101]:
        process.edge.leave(seat)
    await process.edge.flush()
    assert stage.figures() == Figures("live", 100, 1201, 1201)
    assert stage.audit().agrees_with_itself


async def test_a_draining_process_leaves_its_sessions_their_grace(stage: Stage) -> None:
    stage.open()
    process, other = Process(), Process()
    ann = process.join("ann", "tab")
    await process.edge.flush()
    process.edge.is_leaving = True
    process.edge.leave(ann)
    await process.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    assert stage.audit().reports == {}
    other.join("ann", "tab")
    await other.edge.flush()
    assert stage.figures() == Figures("live", 1, 1, 1)
    assert stage.audit().drift({other.edge.server}) == 0
