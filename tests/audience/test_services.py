"""The catalogue, endings, sweep and the table current_viewers: exact values, and that a repeat changes nothing."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import RedisError

from apps.audience import house_store, selectors, services, store
from apps.audience.house_store import Listing
from apps.audience.models import CurrentViewers
from apps.audience.selectors import LiveCounts
from apps.audience.sessions import seoul_day
from apps.audience.store import Figures
from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from apps.streams.services import category_ensure, stream_end, stream_update
from tests.analytics.house import stream_make
from tests.audience.stage import Stage, run_one, tab
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def ann(db: None) -> Stream:
    """A live stream, in the catalogue."""
    return stream_make("ann")


@pytest.fixture
def bob(ann: Stream) -> Stream:
    return stream_make("bob")


def wipe() -> None:
    client: Any = sync_client()
    client.flushall()


def listing(stream: Stream, category: str = "talk") -> Listing:
    return Listing(stream.pk, stream.category_id, category, stream.title, stream.broadcaster.name)


def ranked(category_id: int | None = None) -> list[int]:
    return selectors.ranking(category_id=category_id, offset=0, limit=100)


def scores(category_id: int | None = None) -> dict[int, int]:
    key = "live:{streams}:ranking:" + ("all" if category_id is None else f"category:{category_id}")
    reply = run_one(("ZRANGE", key, 0, -1, "WITHSCORES"))
    pairs = reply if reply and isinstance(reply[0], (list, tuple)) else zip(reply[::2], reply[1::2], strict=True)
    return {int(member): int(float(score)) for member, score in pairs}


def watch(stream: Stream, *viewers: str) -> Stage:
    stage = Stage(stream.pk)
    stage.arrive(*[tab(f"{stream.pk}-{viewer}", viewer) for viewer in viewers], held=len(viewers))
    return stage


def everything() -> dict[str, bytes]:
    """All of Redis, to be compared."""
    client: Any = sync_client()
    return {key.decode(): client.dump(key) for key in client.scan_iter("*") if b"servers" not in key}


def test_a_listed_stream_is_live_and_ranked_and_listing_it_again_changes_nothing(ann: Stream) -> None:
    assert selectors.listings_live() == [listing(ann)]
    assert Stage(ann.pk).figures() == Figures("live", 0, 0, 0)
    assert scores() == scores(ann.category_id) == {ann.pk: 0}
    stage = watch(ann, "v1", "v2")
    services.audience_sweep(now_ms=stage.now_ms)
    before = everything()
    services.stream_list(stream=ann)
    assert everything() == before
    assert scores() == {ann.pk: 2}


def test_a_stream_that_changes_its_category_changes_its_ranking(ann: Stream) -> None:
    talk, music = ann.category_id, category_ensure(slug="music", name="Music")
    stream_update(stream=ann, title="Now with songs", category=music)
    services.stream_list(stream=ann, previous_category_id=talk)
    assert selectors.listings_live() == [Listing(ann.pk, music.pk, "music", "Now with songs", "ann")]
    assert (scores(talk), scores(music.pk), scores()) == ({}, {ann.pk: 0}, {ann.pk: 0})
    assert int(run_one(house_store.category_id("music"))) == music.pk


def test_a_closed_stream_is_gone_from_the_house_and_its_row_has_the_figures(ann: Stream, bob: Stream) -> None:
    stage = watch(ann, "v1", "v2")
    stage.depart(tab(f"{ann.pk}-v1", "v1"))
    stream_end(stream=ann)
    services.stream_close(stream_id=ann.pk, category_id=ann.category_id)
    assert stage.figures() == Figures("ended", 0, 2, 2)
    assert selectors.listings_live() == [listing(bob)]
    assert ranked() == ranked(bob.category_id) == [bob.pk]
    ann.refresh_from_db()
    assert (ann.peak_viewers, ann.total_viewers) == (2, 2)
    before = everything()
    services.stream_close(stream_id=ann.pk, category_id=ann.category_id)
    assert everything().keys() == before.keys()
    assert stage.figures() == Figures("ended", 0, 2, 2)


def test_relisting_asks_the_database(ann: Stream, bob: Stream) -> None:
    stream_end(stream=bob)
    wipe()
    assert [services.stream_relist(stream_id=pk) for pk in (ann.pk, bob.pk, 999_999)] == [True, False, None]
    assert [Stage(pk).figures().state for pk in (ann.pk, bob.pk, 999_999)] == ["live", "ended", ""]
    assert selectors.listings_live() == [listing(ann)]


def test_a_rebuild_fills_a_wiped_redis_and_does_no_more(ann: Stream, bob: Stream) -> None:
    wipe()
    assert services.catalog_rebuild() == (2, 0)
    assert sorted(each.stream_id for each in selectors.listings_live()) == [ann.pk, bob.pk]
    assert [Stage(pk).figures().state for pk in (ann.pk, bob.pk)] == ["live", "live"]
    assert scores() == {ann.pk: 0, bob.pk: 0}
    before = everything()
    assert services.catalog_rebuild() == (0, 0)
    assert everything() == before


def test_a_rebuild_hears_of_a_lost_start_end_and_change(ann: Stream, bob: Stream) -> None:
    watch(ann, "v1", "v2", "v3")
    Stream.objects.filter(pk=ann.pk).update(status="ended", ended_at=ann.started_at)
    music = category_ensure(slug="music", name="Music")
    Stream.objects.filter(pk=bob.pk).update(title="Another title", category=music)
    redis.run_now(house_store.listing_drop(bob.pk, 0))
    services.stream_list(stream=bob)  # what Redis still believes
    assert services.catalog_rebuild() == (1, 1)
    assert selectors.listings_live() == [Listing(bob.pk, music.pk, "music", "Another title", "bob")]
    assert (scores(bob.category_id), scores(music.pk)) == ({}, {bob.pk: 0})
    assert Stage(ann.pk).figures() == Figures("ended", 0, 3, 3)
    ann.refresh_from_db()
    assert (ann.peak_viewers, ann.total_viewers) == (3, 3)
    assert services.catalog_rebuild() == (0, 0)


def test_a_state_that_alone_was_lost_comes_back(ann: Stream) -> None:
    run_one(("DEL", Stage(ann.pk).key("view:state")))
    assert services.catalog_rebuild() == (0, 0)
    assert Stage(ann.pk).figures().state == "live"


def test_a_sweep_sets_rankings_and_the_house(ann: Stream, bob: Stream) -> None:
    assert selectors.house_viewers() is None
    watch(ann, "v1", "v2"), watch(bob, "v1", "v3", "v4")
    at = Stage(ann.pk).now_ms
    assert services.audience_sweep(now_ms=at) == 0
    assert scores() == scores(ann.category_id) == {ann.pk: 2, bob.pk: 3}
    assert (ranked(), selectors.house_viewers()) == ([bob.pk, ann.pk], 5)
    assert services.audience_sweep(now_ms=at + 60_001) == 5
    assert (scores(), selectors.house_viewers()) == ({ann.pk: 0, bob.pk: 0}, 0)
    assert services.audience_sweep(now_ms=at + 60_001) == 0


def test_one_sweep_takes_out_all_of_a_server_that_died(ann: Stream) -> None:
    stage = Stage(ann.pk)
    for start in range(0, 2300, 1000):
        stage.beat(*[tab(f"t{n}", f"v{n}") for n in range(start, min(start + 1000, 2300))])
    stage.at = 60_001
    assert services.audience_sweep(now_ms=stage.now_ms) == 2300
    assert stage.figures() == Figures("live", 0, 2300, 0)
    assert (scores(), selectors.house_viewers()) == ({ann.pk: 0}, 0)


def test_a_stream_that_ends_during_a_sweep_does_not_come_back(ann: Stream, bob: Stream) -> None:
    listed = [listing(ann), listing(bob)]
    music = category_ensure(slug="music", name="Music")
    services.stream_close(stream_id=ann.pk, category_id=ann.category_id)
    talk = bob.category_id
    bob.category = music
    services.stream_list(stream=bob, previous_category_id=talk)
    services.rankings_set(listings=listed, viewers={ann.pk: 9, bob.pk: 4})
    assert (scores(), scores(talk), scores(music.pk)) == ({bob.pk: 4}, {}, {bob.pk: 0})


def test_live_counts_are_what_redis_has_now(ann: Stream, bob: Stream) -> None:
    now_ms = epoch_ms()
    stage = Stage(ann.pk, at=0, day=seoul_day(now_ms))
    stage.arrive(tab("t1", "v1"), tab("t2", "v2"))
    stage.depart(tab("t1", "v1"))
    expected = [LiveCounts(ann.pk, 1, 2, 2, 2), LiveCounts(bob.pk, 0, 0, 0, 0)]
    assert sorted(selectors.counts_live(), key=lambda row: row.stream_id) == expected
    run_one(store.end(stream_id=bob.pk, day=stage.day, ended_ms=stage.now_ms))
    assert selectors.counts_live() == expected[:1]


def test_a_stream_whose_figures_are_spoilt_is_left_out_alone(
    ann: Stream, bob: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    day = seoul_day(epoch_ms())
    run_one(("SET", f"view:{{{ann.pk}}}:unique:{day}", "no HyperLogLog"))
    assert selectors.counts_live() == [LiveCounts(bob.pk, 0, 0, 0, 0)]
    run_one(("DEL", f"view:{{{ann.pk}}}:unique:{day}"))
    for spoilt in ("many", -1, 2**31):
        run_one(("SET", f"view:{{{ann.pk}}}:peak", spoilt))
        assert selectors.counts_live() == [LiveCounts(bob.pk, 0, 0, 0, 0)]
    left_out = [line for line in caplog.messages if f"stream {ann.pk} is left out of the snapshot" in line]
    assert len(left_out) == 4
    run_one(("SET", f"view:{{{bob.pk}}}:peak", "many"))
    with pytest.raises(selectors.CountsUnavailable, match="only 0 of 2"):
        selectors.counts_live()


def test_the_table_is_written_once_however_often(ann: Stream) -> None:
    at = datetime.datetime(2026, 3, 1, 3, 0, tzinfo=datetime.UTC)
    rows = [LiveCounts(1, 5, 9, 20, 15), LiveCounts(2, 0, 0, 0, 0)]
    assert [services.current_viewers_upsert(rows=rows, captured_at=at) for _ in range(2)] == [2, 2]
    fields = ("stream_id", "current", "peak", "total", "unique_today", "captured_at")
    written = [(1, 5, 9, 20, 15, at), (2, 0, 0, 0, 0, at)]
    assert list(CurrentViewers.objects.order_by("stream_id").values_list(*fields)) == written
    later = at + datetime.timedelta(minutes=5)
    services.current_viewers_upsert(rows=[LiveCounts(1, 2, 3, 4, 1)], captured_at=later)  # Redis had lost something
    services.current_viewers_upsert(rows=rows, captured_at=at)  # a late run
    written[0] = (1, 2, 9, 20, 1, later)
    assert list(CurrentViewers.objects.order_by("stream_id").values_list(*fields)) == written
    assert services.current_viewers_upsert(rows=[], captured_at=later) == 0


def test_with_redis_away_nothing_is_half_done(
    ann: Stream, private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    for call in (
        lambda: services.stream_list(stream=ann),
        lambda: services.stream_close(stream_id=ann.pk, category_id=ann.category_id),
    ):
        with pytest.raises(RedisError):
            call()
    for read in (services.catalog_rebuild, services.audience_sweep, selectors.counts_live, selectors.house_viewers):
        with pytest.raises(selectors.CountsUnavailable):
            read()
    ann.refresh_from_db()
    assert (ann.status, ann.peak_viewers) == ("live", 0)
