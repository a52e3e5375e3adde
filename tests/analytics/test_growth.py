"""Sums over days and how two stretches compare, against plain sums; and a broadcaster's from real tables."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.analytics.growth import DayFigures, Totals, growth_make, totals_make
from apps.analytics.selectors import broadcaster_days, growth
from apps.audience.sessions import SEOUL
from tests.analytics.record import day_make, stream_past

FIRST = datetime.date(2026, 3, 1)
DAWN = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)
DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)

small = st.integers(0, 10**6)
days = st.lists(
    st.builds(
        DayFigures,
        day=st.just(FIRST),
        peak=small,
        average=st.integers(0, 10**6).map(float),
        unique=small,
        new=small,
        returning=small,
        watch_minutes=small,
        live_minutes=st.integers(0, 1440),
        streams=st.integers(1, 5),
    ),
    max_size=10,
)


@given(days)
def test_totals_weigh_averages_by_the_minutes_live(some: list[DayFigures]) -> None:
    found = totals_make(some)
    assert found.peak == max([day.peak for day in some], default=0)
    for name in ("unique", "new", "returning", "watch_minutes", "live_minutes", "streams"):
        assert getattr(found, name) == sum(getattr(day, name) for day in some)
    # The plain way: one number for every minute that it was live.
    plain = [day.average or 0.0 for day in some for _ in range(day.live_minutes)] or [
        day.average or 0.0 for day in some
    ]
    assert found.average == pytest.approx(sum(plain) / len(plain) if plain else 0, abs=0.006)


def test_change_is_a_ratio_and_none_where_there_was_nothing() -> None:
    before = [DayFigures(FIRST, 10, 4.0, 100, 0, 100, 1_000, 60, 1)]
    last = [DayFigures(FIRST + DAY, 15, 1.0, 0, 5, 0, 1_333, 60, 1)]
    found = growth_make(FIRST + DAY, FIRST + 2 * DAY, last=last, before=before)
    assert found.change == {
        "peak": 0.5,
        "average": -0.75,
        "unique": -1.0,
        "new": None,
        "returning": -1.0,
        "watch_minutes": 0.333,
        "live_minutes": 0.0,
        "streams": 0.0,
    }
    assert set(growth_make(FIRST, FIRST + DAY, last=[], before=[]).change.values()) == {None}


@pytest.mark.database
@pytest.mark.django_db
def test_a_broadcasters_days_add_up_its_streams_and_growth_compares_them() -> None:
    first = stream_past("first", DAWN, DAWN + HOUR)
    second = stream_past("second", DAWN + 2 * HOUR, DAWN + 5 * HOUR)
    third = stream_past("third", DAWN + DAY, DAWN + DAY)
    other = stream_past("other", DAWN, DAWN + HOUR, owner="jun")
    day_make(first, FIRST, peak=50, average=10.0, unique=20, new=15, watched=600, live=60)
    day_make(second, FIRST, peak=30, average=20.0, unique=10, new=1, watched=3_600, live=180)
    day_make(third, FIRST + DAY, peak=2, average=1.5, unique=2, new=0, watched=1, live=0)
    day_make(other, FIRST, peak=999, average=999.0, unique=999, new=999, watched=999, live=60)

    owner = first.broadcaster_id
    assert broadcaster_days(broadcaster_id=owner, since=FIRST - DAY, until=FIRST + 2 * DAY) == [
        DayFigures(FIRST, 50, 17.5, 30, 16, 14, 4_200, 240, 2),
        DayFigures(FIRST + DAY, 2, 1.5, 2, 0, 2, 1, 0, 1),
    ]
    assert broadcaster_days(broadcaster_id=owner, since=FIRST + DAY, until=FIRST + DAY) == []
    found = growth(broadcaster_id=owner, until=FIRST + 2 * DAY, days=1)
    assert (found.since, found.until) == (FIRST + DAY, FIRST + 2 * DAY)
    assert found.last == Totals(2, 1.5, 2, 0, 2, 1, 0, 1)
    assert found.before == Totals(50, 17.5, 30, 16, 14, 4_200, 240, 2)
    assert found.change["unique"] == pytest.approx(2 / 30 - 1, abs=1e-4)
    assert growth(broadcaster_id=owner, until=FIRST - DAY, days=7).last == Totals()
