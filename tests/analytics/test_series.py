"""Buckets and points, against the plainest reckoning: one snapshot after the other."""

import datetime
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analytics.series import (
    DAY_S,
    DETAIL,
    LADDER_S,
    MOST_POINTS,
    Bucket,
    Point,
    RangeError,
    bucket_number,
    days_of,
    seoul_shift_s,
    series_make,
    unit_choose,
)
from apps.audience.sessions import SEOUL

START = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)
SECOND, MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))

moments = st.datetimes(
    datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
).map(lambda moment: moment.replace(microsecond=0))


@pytest.mark.parametrize(
    ("length", "unit_s"),
    [
        (SECOND, 300),
        (DAY, 300),
        (1_999 * 5 * MINUTE, 300),
        (1_999 * 5 * MINUTE + SECOND, 900),
        (7 * DAY, 900),
        (28 * DAY, 1_800),
        (60 * DAY, 3_600),
        (DETAIL, 3_600),
        (DETAIL + SECOND, 86_400),
        (366 * DAY, 86_400),
        (1_999 * DAY, 86_400),
    ],
)
def test_the_finest_unit_with_fewer_than_two_thousand_points(length: datetime.timedelta, unit_s: int) -> None:
    assert unit_choose(START, START + length) == unit_s


@pytest.mark.parametrize("length", [-DAY, 0 * DAY, 2_000 * DAY])
def test_a_range_of_nothing_or_of_too_much_is_refused(length: datetime.timedelta) -> None:
    with pytest.raises(RangeError):
        unit_choose(START, START + length)


def test_fewer_points_may_be_asked_for_by_every_rung() -> None:
    assert [unit_choose(START, START + DAY, most=86_400 // unit_s + 1) for unit_s in LADDER_S] == list(LADDER_S)


@given(since=moments, length=st.timedeltas(SECOND, 1_998 * DAY))
def test_no_range_has_two_thousand_buckets(since: datetime.datetime, length: datetime.timedelta) -> None:
    until, shift_s = since + length, seoul_shift_s(since)
    unit_s = unit_choose(since, until)
    numbers = [bucket_number(at, unit_s=unit_s, shift_s=shift_s) for at in (since, until - SECOND)]
    assert numbers[1] - numbers[0] + 1 < MOST_POINTS
    assert unit_s == DAY_S or length <= DETAIL


@given(moment=moments, unit_s=st.sampled_from(LADDER_S))
def test_buckets_begin_with_the_hours_and_days_of_seoul(moment: datetime.datetime, unit_s: int) -> None:
    shift_s = seoul_shift_s(moment)
    number = bucket_number(moment, unit_s=unit_s, shift_s=shift_s)
    (point,) = series_make(
        moment, moment + SECOND, unit_s=unit_s, shift_s=shift_s, buckets=[Bucket(number, 1, 1, 1)]
    ).points
    begin = point.at.astimezone(SEOUL)
    assert begin <= moment < begin + unit_s * SECOND
    # As somebody with a calendar would find it: so many whole units after midnight.
    midnight = begin.replace(hour=0, minute=0, second=0)
    assert (begin - midnight) % (unit_s * SECOND) == datetime.timedelta()
    assert point.at.tzinfo is datetime.UTC


@settings(max_examples=50)
@given(
    snapshots=st.lists(st.tuples(st.integers(0, 70 * 288 - 1), st.integers(0, 10**6)), unique_by=lambda one: one[0]),
    unit_s=st.sampled_from(LADDER_S),
)
def test_points_keep_peaks_and_weigh_every_snapshot_alike(snapshots: list[tuple[int, int]], unit_s: int) -> None:
    taken = [(START + mark * 5 * MINUTE, viewers) for mark, viewers in snapshots]
    shift_s = seoul_shift_s(START)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for at, viewers in taken:
        groups[bucket_number(at, unit_s=unit_s, shift_s=shift_s)].append(viewers)
    buckets = [Bucket(number, len(group), sum(group), max(group)) for number, group in sorted(groups.items())]
    series = series_make(START, START + DETAIL, unit_s=unit_s, shift_s=shift_s, buckets=buckets)
    plain = []
    begin = START
    while begin < START + DETAIL:
        inside = [viewers for at, viewers in taken if begin <= at < begin + unit_s * SECOND]
        if inside:
            plain.append(Point(begin.astimezone(datetime.UTC), round(sum(inside) / len(inside), 2), max(inside)))
        begin += unit_s * SECOND
    assert series.points == plain
    assert max((point.peak for point in series.points), default=0) == max((v for _, v in taken), default=0)


def test_days_that_a_range_touches() -> None:
    first, second, third = (START.date() + number * DAY for number in range(3))
    assert days_of(START, START + SECOND) == (first, second)
    assert days_of(START, START + DAY) == (first, second)
    assert days_of(START + HOUR, START + DAY + SECOND) == (first, third)
    assert days_of(START.astimezone(datetime.UTC), START + DAY) == (first, second)
