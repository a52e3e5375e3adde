"""What is pushed, when: on change, at most once a second, unchanged again every twenty; and what a pulse tells."""

from apps.audience import board as boards
from apps.audience import house_store
from apps.audience.store import Figures
from apps.realtime.clock import epoch_ms
from apps.realtime.redis import run_now
from tests.audience.seats import ENDED, Process
from tests.audience.stage import Stage, tab
from tests.realtime.peers import turns


async def test_a_change_is_pushed_at_most_once_a_second(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    await process.board.tick()
    assert ann.counts == [(1, 1, 1), (1, 1, 1)]  # the welcome, and the first reading
    stage.arrive(tab("t1", "bob"), server="elsewhere")
    await process.tick_after(0)
    assert len(ann.counts) == 2  # changed, but too soon
    await process.tick_after(boards.READ_EVERY_S)
    assert len(ann.counts) == 2
    stage.arrive(tab("t2", "cho"), server="elsewhere")
    await process.tick_after(boards.PUSH_EVERY_S)
    assert ann.counts[2:] == [(3, 3, 3)]  # the newest, not each


async def test_what_did_not_change_is_not_pushed_but_confirmed(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    await process.board.tick()
    await process.tick_after(10)
    assert len(ann.counts) == 2
    await process.tick_after(boards.CONFIRM_EVERY_S)
    assert ann.counts == [(1, 1, 1)] * 3
    await process.tick_after(0)
    assert len(ann.counts) == 3


async def test_a_push_is_one_object_for_all_and_for_that_stream_alone(stage: Stage) -> None:
    stage.open()
    Stage(8).open()
    process = Process()
    ann, bob, other = process.join("ann"), process.join("bob"), process.join("cho", stream_id=8)
    await process.edge.flush()
    await process.board.tick()
    assert ann.peer.got[1] is bob.peer.got[1]
    assert (ann.counts[1], other.counts[1]) == ((2, 2, 2), (1, 1, 1))
    assert {frame["stream"] for frame in ann.frames} == {7}
    assert abs(ann.frames[1]["at"] - epoch_ms()) < 10_000


async def test_an_ended_stream_is_seen_by_the_next_reading(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    stage.end()
    await process.board.tick()
    await turns()
    assert (ann.frames[-1], ann.dismissed) == ({"type": "ended", "stream": 7}, [ENDED])
    assert process.edge.streams == {}


async def test_an_ended_stream_is_seen_by_a_heartbeat(stage: Stage) -> None:
    stage.open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    stage.end()
    await process.pulse.announce([process.stream])
    await turns()
    assert (ann.frames[-1], ann.dismissed) == ({"type": "ended", "stream": 7}, [ENDED])
    assert stage.figures() == Figures("ended", 0, 1, 1)


async def test_every_stream_has_its_turn_in_fifteen_beats(stage: Stage) -> None:
    process = Process()
    stages = [Stage(number) for number in range(1, 31)]
    for each in stages:
        each.open()
        process.join("ann", f"t{each.stream_id}", stream_id=each.stream_id)
    await process.edge.flush()
    await process.pulse.beat()  # the first registers the process, after which everything is said once
    await process.pulse.beat()
    for each in stages:
        run_now([("DEL", each.key("hb"))])
    for _ in range(15):
        await process.pulse.beat()
    assert [each.audit().heard for each in stages] == [1] * 30
    assert [each.figures().total for each in stages] == [1] * 30


async def test_a_heartbeat_leaves_arrivals_to_the_flush(stage: Stage) -> None:
    stage.open()
    process = Process()
    process.join("ann")
    await process.pulse.announce([process.stream])
    assert stage.figures() == Figures("live", 0, 0, 0)
    await process.edge.flush()
    await process.pulse.announce([process.stream])
    assert stage.figures() == Figures("live", 1, 1, 1)


async def test_a_process_registers_and_says_goodbye(stage: Stage) -> None:
    process = Process()
    name = process.edge.server
    process.join("ann")
    await process.pulse.report()
    client_side = run_now([house_store.servers_since(epoch_ms() - 5_000), ("HGETALL", f"{house_store.SERVERS}:{name}")])
    assert client_side[0] == [name.encode()]
    about = client_side[1]
    assert (about[b"sessions"], about[b"role"]) == (b"1", b"all")
    assert int(run_now([("TTL", f"{house_store.SERVERS}:{name}")])[0]) in range(590, 601)
    await process.pulse.goodbye()
    assert run_now([house_store.servers_since(0), ("EXISTS", f"{house_store.SERVERS}:{name}")]) == [[], 0]
