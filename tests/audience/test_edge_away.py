"""Redis away, back, or back with nothing: nobody is disconnected, nothing is told twice, viewers know what is old."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.audience import board as boards
from apps.audience import edge as edges
from apps.audience.store import Figures
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from tests.analytics.house import stream_make
from tests.audience.seats import Process
from tests.audience.stage import Stage
from tests.realtime.peers import turns
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async

UseRedis = Callable[[str], str]


async def test_arrivals_and_leaves_wait_and_arrive_once(private_redis: RedisServer, use_redis: UseRedis) -> None:
    use_redis(private_redis.url)
    stage, process = Stage(7), Process()
    stage.open()
    stays, goes = process.join("stays"), process.join("goes")
    assert await process.edge.flush() is True
    private_redis.stop(keep=True)
    comes, passes = process.join("comes"), process.join("passes by")
    assert await process.edge.flush() is False
    process.edge.leave(goes)
    process.edge.leave(passes)
    assert await process.edge.flush() is False
    assert await process.edge.flush() is False
    assert [seat.dismissed for seat in (stays, goes, comes, passes)] == [[]] * 4
    assert [seat.session.session_id for seat in process.stream.arrived.values()] == ["comes-1"]
    private_redis.start()
    assert await process.edge.flush() is True
    # Arrivals go first, so that nobody who comes back is missed for a moment; neither the peak nor newcomers see it.
    assert stage.figures() == Figures("live", 2, 2, 3)
    assert (len(stays.counts), comes.counts, passes.frames) == (1, [(2, 2, 3)], [])
    assert stage.audit().drift({process.edge.server}) == 0
    await process.edge.flush()
    await process.pulse.announce([process.stream])
    assert stage.figures() == Figures("live", 2, 2, 3)
    assert (process.stream.arrived, process.stream.departed) == ({}, [])


def failures() -> float:
    return REGISTRY.get_sample_value("fullhouse_redis_failures_total", {"caller": "audience_flush"}) or 0.0


async def test_a_process_tries_again_by_itself(
    private_redis: RedisServer, use_redis: UseRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "RETRY_DELAY_S", 0.02)
    use_redis(private_redis.url)
    private_redis.stop()
    process = Process()
    before = failures()
    ann = process.join("ann")

    async def has_failed() -> bool:
        return failures() >= before + 2

    await eventually_async(has_failed, deadline=10, every=0.02)
    private_redis.start()

    async def is_told() -> bool:
        return ann.counts == [(1, 1, 1)]

    await eventually_async(is_told, deadline=10, every=0.02)


async def test_leaves_that_wait_are_bounded(
    private_redis: RedisServer, use_redis: UseRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "LEAVES_KEPT", 3)
    use_redis(private_redis.url)
    process = Process()
    seats = [process.join(f"v{number}") for number in range(5)]
    await process.edge.flush()
    private_redis.stop()
    for seat in seats:
        process.edge.leave(seat)
    assert await process.edge.flush() is False
    assert [session.viewer_id for session in process.stream.departed] == ["v2", "v3", "v4"]


async def test_viewers_are_told_once_that_their_figures_are_old(
    private_redis: RedisServer, use_redis: UseRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_redis(private_redis.url)
    Stage(7).open()
    process = Process()
    ann = process.join("ann")
    await process.edge.flush()
    await process.board.tick()
    private_redis.stop(keep=True)
    await process.board.tick()
    assert [frame["type"] for frame in ann.frames] == ["count", "count"]  # not at the first failure
    monkeypatch.setattr(boards, "STALE_AFTER_S", 0.0)
    await process.board.tick()
    await process.board.tick()
    assert [frame["type"] for frame in ann.frames] == ["count", "count", "stale"]
    assert ann.frames[2] == {"type": "stale", "since": ann.frames[1]["at"]}
    late = process.join("bob")  # who comes now is told at once, and once
    await process.edge.flush()
    await process.edge.flush()
    await process.board.tick()
    assert late.frames == [ann.frames[2]]
    private_redis.start()
    await process.edge.flush()
    await process.tick_after(1)
    assert ann.counts[-1] == late.counts[-1] == (2, 2, 2)
    assert process.stream.announce_now  # whatever happened meanwhile, everything is said again
    assert (ann.dismissed, late.dismissed) == ([], [])
    assert process.edge.stale_word is None


async def test_a_process_without_viewers_has_nothing_that_grows_old(
    private_redis: RedisServer, use_redis: UseRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_redis(private_redis.url)
    Stage(7).open()
    process = Process()
    monkeypatch.setattr(process.board, "_read_ms", 0)  # it last read long ago
    await process.board.tick()
    ann = process.join("ann")
    await process.edge.flush()
    private_redis.stop()
    await process.board.tick()
    assert [frame["type"] for frame in ann.frames] == ["count"]


@pytest.fixture
def live(transactional_db: None) -> Stream:
    """A live stream that the database knows."""
    return stream_make("ann")


@pytest.mark.database
async def test_a_wiped_redis_is_told_everything_again_at_once(live: Stream) -> None:
    stage, process = Stage(live.pk), Process()
    seats = [process.join(f"v{number}", stream_id=live.pk) for number in range(3)]
    await process.edge.flush()
    process.edge.leave(seats[2])
    await process.edge.flush()
    await process.board.tick()
    before = stage.figures()
    assert before == Figures("live", 2, 3, 3)
    client: Any = sync_client()
    client.flushall()
    await process.board.tick()
    await process.pulse.beat()

    async def is_whole() -> bool:
        return stage.figures() == before

    await eventually_async(is_whole, deadline=10)
    assert (stage.audit().drift({process.edge.server}), stage.audit().agrees_with_itself) == (0, True)
    assert [seat.dismissed for seat in seats] == [[], [], []]
    await process.tick_after(1)
    assert seats[0].counts[-1] == (2, 3, 3)


@pytest.mark.database
async def test_a_stream_that_nobody_knows_is_closed_and_leaves_nothing(transactional_db: None) -> None:
    process, stage = Process(), Stage(999)
    ann = process.join("ann", stream_id=999)
    await process.edge.flush()
    await process.board.tick()

    async def is_closed() -> bool:
        return ann.dismissed == [(4404, "unknown_stream: there is no such stream")] and stage.dump() == {}

    await eventually_async(is_closed, deadline=10)
    assert process.edge.streams == {}


@pytest.mark.database
async def test_a_stream_that_ended_unheard_is_closed(live: Stream) -> None:
    process = Process()
    await Stream.objects.filter(pk=live.pk).aupdate(status="ended", ended_at=live.started_at)
    client: Any = sync_client()
    client.flushall()
    ann = process.join("ann", stream_id=live.pk)
    await process.edge.flush()
    await process.board.tick()

    async def is_closed() -> bool:
        return [code for code, _ in ann.dismissed] == [4410]

    await eventually_async(is_closed, deadline=10)
    await turns()
    assert Stage(live.pk).figures().state == "ended"
    assert process.edge.streams == {}


async def test_a_leave_after_a_wipe_does_not_forget_peak_and_visits(
    private_redis: RedisServer, use_redis: UseRedis
) -> None:
    use_redis(private_redis.url)
    stage, process = Stage(7), Process()
    stage.open()
    _, goes = process.join("stays"), process.join("goes")
    await process.edge.flush()
    private_redis.client().flushall()
    process.edge.leave(goes)
    await process.edge.flush()
    await process.pulse.announce([process.stream])
    assert stage.figures() == Figures("", 1, 2, 2)


async def test_one_stream_in_trouble_does_not_silence_the_others(
    private_redis: RedisServer, use_redis: UseRedis
) -> None:
    use_redis(private_redis.url)
    process = Process()
    for stream_id in (7, 8):
        Stage(stream_id).open()
    process.join("ann"), process.join("bob", stream_id=8)
    await process.edge.flush()
    private_redis.client().delete("live:sessions:{7}")
    private_redis.client().set("live:sessions:{7}", "not a hash")
    private_redis.client().delete("hb:{8}")
    await process.pulse.announce(list(process.edge.streams.values()))
    assert [stream.announce_now for stream in process.edge.streams.values()] == [True, False]
    assert Stage(8).audit().heard == 1
