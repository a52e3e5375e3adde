"""Ranks from a bitmap against a plain set, at every edge of a block; and what they cost."""

import random
import timeit
from dataclasses import replace

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.waitingroom.snapshot import BLOCK_BYTES, Bitmap, Snapshot
from tests.services.redis_server import RedisServer

BASES = st.sampled_from([0, 65_536, 65_536 * 40])
BLOCK_BITS = BLOCK_BYTES * 8
# Around the edges of bytes and blocks, and anywhere.
OFFSETS = st.one_of(
    st.integers(0, 40),
    st.integers(BLOCK_BITS - 9, BLOCK_BITS + 9),
    st.integers(2 * BLOCK_BITS - 9, 2 * BLOCK_BITS + 9),
    st.integers(0, 5_000),
)


def bits_of(places: set[int], base: int, length: int | None = None) -> bytes:
    """A bitmap as Redis would hold it: SETBIT place - base, one at a time."""
    last = max(places, default=base - 1) - base
    data = bytearray(last // 8 + 1 if length is None else length)
    for place in places:
        data[(place - base) // 8] |= 0x80 >> (place - base) % 8
    return bytes(data)


def line_of(waiting: set[int], *, front: int, end: int, base: int = 0) -> Snapshot:
    bitmap = Bitmap(base, bits_of(waiting, base))
    return Snapshot(epoch=1, now_ms=0, rev=1, front=front, next=end, line=bitmap, used={})


@settings(deadline=None)
@given(base=BASES, offsets=st.sets(OFFSETS), asked=st.lists(st.integers(-20, 6_000)), spare=st.integers(0, 300))
@example(base=0, offsets=set(), asked=[-1, 0, 1, 7, 8, 5_000], spare=0)
@example(base=0, offsets=set(range(3 * BLOCK_BITS)), asked=list(range(BLOCK_BITS - 9, BLOCK_BITS + 9)), spare=0)
def test_a_bitmap_counts_like_a_set(base: int, offsets: set[int], asked: list[int], spare: int) -> None:
    places = {base + offset for offset in offsets}
    bitmap = Bitmap(base, bits_of(places, base) + bytes(spare))
    assert bitmap.count == len(places)
    for place in [base + each for each in asked] + sorted(places)[:50]:
        assert bitmap.below(place) == sum(each < place for each in places)
        assert bitmap.holds(place) == (place in places)


@settings(deadline=None)
@given(data=st.data(), base=BASES, offsets=st.sets(OFFSETS))
def test_ranks_are_places_in_the_sorted_line(data: st.DataObject, base: int, offsets: set[int]) -> None:
    waiting = {base + offset for offset in offsets}
    end = max(waiting, default=base - 1) + 1 + data.draw(st.integers(0, 50), "next")
    front = data.draw(st.integers(base, end), "front")
    snapshot = line_of(waiting, front=front, end=end, base=base)
    uncalled = sorted(place for place in waiting if place >= front)
    assert snapshot.total == len(uncalled)
    assert snapshot.called_waiting == len(waiting) - len(uncalled)
    for index, place in enumerate(uncalled):
        assert (snapshot.ahead(place), snapshot.rank(place)) == (index, index + 1)
        assert not snapshot.called(place)
    for place in waiting - set(uncalled):
        assert (snapshot.ahead(place), snapshot.rank(place)) == (0, 1)
        assert snapshot.called(place)


def test_who_joined_after_the_reading_stands_behind_everybody_in_order() -> None:
    snapshot = line_of({3, 5, 8}, front=4, end=10)
    assert [snapshot.rank(place) for place in (5, 8, 10, 11, 12)] == [1, 2, 3, 4, 5]
    assert not any(snapshot.line.holds(place) for place in (4, 9, 10, 11))
    assert all(snapshot.line.holds(place) for place in (3, 5, 8))


def test_a_place_that_left_has_the_rank_of_who_stands_there_now() -> None:
    assert line_of({3, 5, 8}, front=0, end=10).rank(6) == 3


def test_an_empty_line_ranks_newcomers_from_one() -> None:
    snapshot = line_of(set(), front=7, end=7)
    assert (snapshot.total, snapshot.rank(6), snapshot.rank(7), snapshot.rank(8)) == (0, 1, 1, 2)


def test_a_new_front_renews_the_ranks_and_keeps_the_bitmap() -> None:
    before = line_of(set(range(10)), front=0, end=10)
    after = replace(before, front=4, now_ms=1_000)
    assert after.line is before.line
    assert (before.rank(6), after.rank(6), after.total, after.called_waiting) == (7, 3, 6, 4)


def test_a_place_below_the_base_was_cut_off_and_waits_no_more() -> None:
    snapshot = line_of({65_536, 65_540}, front=65_538, end=65_541, base=65_536)
    assert (snapshot.rank(10), snapshot.called(10), snapshot.line.holds(10)) == (1, True, False)
    assert snapshot.line.holds(65_540)


def test_the_order_of_bits_is_that_of_redis(shared_redis: RedisServer) -> None:
    places = {0, 1, 7, 8, 1_023, 1_024, 1_025, 9_999}
    with redis.Redis.from_url(shared_redis.url) as client:
        for place in places:
            client.setbit("line", place, 1)
        data = client.get("line")
        assert data == bits_of(places, 0)
        bitmap = Bitmap(0, data)
        assert bitmap.count == client.bitcount("line")
        assert [place for place in range(10_100) if bitmap.holds(place)] == sorted(places)


def best_us(run: object, times: int) -> float:
    """The least time of one call in microseconds: what it costs when nobody else is at work on the machine."""
    return min(timeit.repeat(run, number=times, repeat=15)) / times * 1e6  # type: ignore[arg-type]


def test_a_million_waiting_cost_little() -> None:
    draw = random.Random(7)
    data = draw.randbytes(125_000)
    bitmap = Bitmap(0, data)
    snapshot = Snapshot(epoch=1, now_ms=0, rev=1, front=100_000, next=1_000_000, line=bitmap, used={})
    assert snapshot.total == int.from_bytes(data, "big").bit_count() - bitmap.below(100_000)
    places = [draw.randrange(100_000, 1_000_000) for _ in range(1_000)]

    def ranks() -> None:
        for place in places:
            snapshot.rank(place)

    assert best_us(lambda: Bitmap(0, data), 3) < 3_000
    assert best_us(ranks, 1) / len(places) < 2


@pytest.mark.parametrize("place", [0, 999_999, 1_000_000])
def test_the_edges_of_a_full_million(place: int) -> None:
    snapshot = Snapshot(epoch=1, now_ms=0, rev=1, front=0, next=1_000_000, line=Bitmap(0, b"\xff" * 125_000), used={})
    assert (snapshot.rank(place), snapshot.line.holds(place)) == (place + 1, place < 1_000_000)
