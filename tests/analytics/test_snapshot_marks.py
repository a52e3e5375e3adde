"""Which marks are missed, and what a snapshot becomes while it waits; beside a plain model."""

import datetime
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.analytics.snapshots import Aside, AsideSpoilt, mark_after, mark_of, marks_missed, pack, unpack
from apps.audience.selectors import LiveCounts

STEP = 300
NOON = 1_772_334_000  # 2026-03-01 12:00 in Seoul
viewers = st.integers(0, 2**31 - 1)
rows = st.builds(LiveCounts, st.integers(0, 2**63 - 1), viewers, viewers, st.integers(0, 2**63 - 1), viewers)


@given(st.lists(rows, unique_by=lambda row: row.stream_id), st.booleans())
def test_what_is_put_aside_comes_back_in_the_order_of_ids(put: list[LiveCounts], is_recalled: bool) -> None:
    back = unpack(pack(Aside(is_recalled, put)))
    assert back == Aside(is_recalled, sorted(put, key=lambda row: row.stream_id))


def test_a_snapshot_takes_under_seven_bytes_a_stream() -> None:
    put = [
        LiveCounts(n * 3 + 10**6, n * 7919 % 100, n * 104729 % 1000, n * 1299709 % 10_000, n % 5) for n in range(10**4)
    ]
    assert len(pack(Aside(False, put))) / len(put) < 7


@pytest.mark.parametrize(
    "spoilt",
    [
        b"",
        b"1",
        b"9" + zlib.compress(b""),
        b"1not deflated",
        b"1" + zlib.compress(b"seven b"),
        b"1" + zlib.compress(bytes(8 * 6)),
        pack(Aside(False, [LiveCounts(1, 2, 3, 4, 5)]))[:-3],
    ],
)
def test_what_is_no_snapshot_is_refused(spoilt: bytes) -> None:
    with pytest.raises(AsideSpoilt):
        unpack(spoilt)


@given(st.one_of(st.none(), st.integers(-3, 300)), st.booleans())
def test_missed_marks_are_those_in_between_and_the_near_ones_are_recalled(settled: int | None, is_late: bool) -> None:
    mark_s = NOON + 100 * STEP
    settled_s = None if settled is None else NOON + settled * STEP
    recalled, untold = marks_missed(settled_s=settled_s, mark_s=mark_s, is_late=is_late)
    known = settled_s is not None
    missed = [each for each in range(NOON - 10 * STEP, mark_s, STEP) if known and each > (settled_s or 0)]
    if is_late:
        missed.append(mark_s)
    near = [each for each in missed if each > mark_s - 900]
    assert (list(recalled), untold) == (near, len(missed) - len(near))


def test_a_worker_away_for_a_year_does_not_count_for_long() -> None:
    recalled, untold = marks_missed(settled_s=NOON, mark_s=NOON + 366 * 86_400, is_late=False)
    assert (len(recalled), untold) == (2, 366 * 288 - 3)


@pytest.mark.parametrize(("seconds", "mark"), [(0, 0), (0.001, 300), (299.9, 300), (300, 300), (300.5, 600)])
def test_a_row_of_a_brief_stream_stands_at_the_first_mark_that_is_not_before_its_end(seconds: float, mark: int) -> None:
    assert mark_after(mark_of(NOON) + datetime.timedelta(seconds=seconds)) == mark_of(NOON + mark)
