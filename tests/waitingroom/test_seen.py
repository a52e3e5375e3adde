"""Who was heard of, against a plain set of places."""

from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom.seen import SEGMENT, SEGMENT_BYTES, SEGMENTS_TOLD, Presence, bits_of
from apps.waitingroom.snapshot import Bitmap, Snapshot

from .line_stage import places_of

PLACES = st.one_of(st.integers(0, 300), st.integers(SEGMENT - 4, SEGMENT + 4), st.integers(0, 6 * SEGMENT))


def taken(presence: Presence, base: int = 0) -> list[int]:
    found = presence.take(base)
    return [] if found is None else places_of(*found)


def test_polls_of_a_slot_are_counted_by_place_up_to_255() -> None:
    presence = Presence()
    assert [presence.poll(7) for _ in range(3)] == [1, 2, 3]
    assert (presence.poll(8), presence.poll(7 + SEGMENT)) == (1, 1)
    assert [presence.poll(9) for _ in range(300)][-46:] == [255] * 46
    presence.turn()
    assert presence.poll(7) == 1


def test_a_mark_is_heard_of_but_no_poll() -> None:
    presence = Presence()
    for _ in range(20):
        presence.mark(7)
    assert presence.poll(7) == 2
    presence.turn()
    assert taken(presence) == [7]


def test_nothing_is_taken_before_the_slot_ends_and_nothing_twice() -> None:
    presence = Presence()
    assert presence.take() is None
    presence.poll(70_000)
    assert presence.take() is None
    presence.turn()
    assert presence.take() == (SEGMENT, bytes((70_000 - SEGMENT) // 8) + bytes([128 >> 70_000 % 8]))
    assert presence.take() is None


def test_who_was_let_in_is_not_told_of() -> None:
    presence = Presence()
    for place in (3, 4, 5, SEGMENT + 4):
        presence.poll(place)
    presence.entered(4)
    presence.turn()
    presence.entered(SEGMENT + 4)  # polled at the end of the slot before
    presence.entered(9)
    assert taken(presence) == [3, 5]
    presence.poll(4)
    for _ in range(2):
        presence.turn()
    assert taken(presence) == [4]  # asks again


def line_of(waiting: set[int], base: int, next_: int) -> Snapshot:
    """A line from segment `base` on in which these wait."""
    bits = bytearray(6 * SEGMENT_BYTES + 1)
    for place in waiting:
        bits[place - base * SEGMENT >> 3] |= 128 >> place % 8
    line = Bitmap(base * SEGMENT, bytes(bits).rstrip(b"\0"))
    return Snapshot(epoch=1, now_ms=0, rev=1, front=0, next=next_, line=line, used={})


@given(
    heard=st.sets(PLACES, max_size=60),
    waiting=st.sets(PLACES, max_size=60),
    base=st.integers(0, 2),
    next_=st.integers(0, 6 * SEGMENT),
)
def test_who_had_left_the_line_when_it_was_read_is_not_told_of(
    heard: set[int], waiting: set[int], base: int, next_: int
) -> None:
    waiting = {place for place in waiting if place >= base * SEGMENT}
    presence = Presence()
    for place in heard:
        presence.poll(place)
    presence.turn()
    found = presence.take(line=line_of(waiting, base, next_))
    told = [] if found is None else places_of(*found)
    assert told == sorted(place for place in heard if place in waiting or place >= next_)


@given(
    heard=st.lists(st.sets(PLACES, max_size=30), min_size=2, max_size=2),
    later=st.sets(PLACES, max_size=10),
    waiting=st.sets(PLACES, max_size=60),
    base=st.integers(0, 2),
    next_=st.integers(0, 6 * SEGMENT),
)
def test_after_a_loss_who_had_left_the_line_is_told_of_only_if_heard_of_again(
    heard: list[set[int]], later: set[int], waiting: set[int], base: int, next_: int
) -> None:
    waiting = {place for place in waiting if place >= base * SEGMENT}
    presence = Presence()
    for place in heard[0]:
        presence.poll(place)
    presence.turn()
    for place in heard[1]:  # in the slot that is running
        presence.mark(place)
    presence.forget_departed(line_of(waiting, base, next_))
    for place in later:
        presence.poll(place)
    presence.turn()
    before = {place for place in heard[0] | heard[1] if place in waiting or place >= next_}
    assert taken(presence) == sorted(before | later)


@given(st.lists(st.lists(PLACES, max_size=40), max_size=4), st.integers(0, 3))
def test_whoever_was_heard_of_is_told_in_one_run(slots: list[list[int]], base: int) -> None:
    presence = Presence()
    for slot in slots:
        for place in slot:
            presence.poll(place)
        presence.turn()
    heard = {place for slot in slots for place in slot}
    assert taken(presence, base * SEGMENT) == sorted(place for place in heard if place >= base * SEGMENT)
    assert presence.take() is None


@given(st.sets(PLACES, min_size=1, max_size=40), st.sets(PLACES, max_size=40))
def test_what_is_given_back_is_told_with_the_next(first: set[int], second: set[int]) -> None:
    presence = Presence()
    for place in first:
        presence.poll(place)
    presence.turn()
    found = presence.take()
    assert found is not None
    for place in second:
        presence.mark(place)
    presence.turn()
    presence.give_back(found)
    assert taken(presence) == sorted(first | second)


def test_tickets_of_an_older_line_far_away_are_not_told_of() -> None:
    """A line of which nothing was known began anew: what lies between the two would fill the memory."""
    presence = Presence()
    for place in (3, 60_000_000_000, 60_000_000_000 - (SEGMENTS_TOLD - 1) * SEGMENT):
        presence.poll(place)
    presence.turn()
    assert taken(presence) == [60_000_000_000 - (SEGMENTS_TOLD - 1) * SEGMENT, 60_000_000_000]


@given(st.binary(min_size=0, max_size=64))
def test_any_count_is_one_bit(counts: bytes) -> None:
    segment = counts.ljust(SEGMENT, b"\0")
    expected = "".join("1" if count else "0" for count in segment)
    assert bits_of(segment) == int(expected, 2)
