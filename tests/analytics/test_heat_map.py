"""The hours of a week: the arithmetic against a calendar, and the map of a broadcaster from real tables."""

import datetime
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.analytics.heat import HOUR_S, HeatCell, heat_make
from apps.analytics.selectors import heat_map
from apps.analytics.series import Bucket, bucket_number, seoul_shift_s
from apps.audience.sessions import SEOUL
from tests.analytics.record import history_make, stream_past

MONDAY = datetime.datetime(2026, 3, 2, tzinfo=SEOUL)
UNTIL = datetime.date(2026, 3, 16)
MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))


@given(st.lists(st.tuples(st.integers(0, 14 * 288 - 1), st.integers(0, 10**6)), unique_by=lambda one: one[0]))
def test_cells_are_the_hours_of_a_calendar(snapshots: list[tuple[int, int]]) -> None:
    shift_s = seoul_shift_s(MONDAY)
    hours: defaultdict[int, list[int]] = defaultdict(list)
    plain: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for mark, viewers in snapshots:
        at = MONDAY + mark * 5 * MINUTE
        hours[bucket_number(at, unit_s=HOUR_S, shift_s=shift_s)].append(viewers)
        plain[at.weekday(), at.hour].append(viewers)
    found = heat_make(
        MONDAY.date(), UNTIL, [Bucket(number, len(group), sum(group), max(group)) for number, group in hours.items()]
    )
    assert [len(day) for day in found.cells] == [24] * 7
    for weekday, day in enumerate(found.cells):
        for hour, cell in enumerate(day):
            seen = plain[weekday, hour]
            assert cell == (HeatCell(round(sum(seen) / len(seen), 2), max(seen)) if seen else HeatCell(None, 0))


@pytest.mark.database
@pytest.mark.django_db
def test_a_map_has_mondays_midnight_first_and_leaves_out_when_it_was_never_live() -> None:
    before = stream_past("before", MONDAY - HOUR, MONDAY)
    history_make(before, [(MONDAY - 5 * MINUTE, 99)])  # of the weeks before
    first = stream_past("first", MONDAY, MONDAY + HOUR)
    history_make(first, [(MONDAY, 10), (MONDAY + 55 * MINUTE, 20)])
    second = stream_past("second", MONDAY + 7 * DAY, MONDAY + 7 * DAY + HOUR)
    history_make(second, [(MONDAY + 7 * DAY + 5 * MINUTE, 60)])
    sunday = stream_past("sunday", MONDAY + 14 * DAY - HOUR, MONDAY + 14 * DAY + HOUR)
    history_make(sunday, [(MONDAY + 14 * DAY - 5 * MINUTE, 0), (MONDAY + 14 * DAY, 99)])
    other = stream_past("other", MONDAY, MONDAY + HOUR, owner="jun")
    history_make(other, [(MONDAY, 1_000)])

    found = heat_map(broadcaster_id=first.broadcaster_id, until=UNTIL, weeks=2)
    assert (found.since, found.until) == (MONDAY.date(), UNTIL)
    assert found.cells[0][0] == HeatCell(30.0, 60)
    assert found.cells[6][23] == HeatCell(0.0, 0)
    known = [(day, hour) for day, cells in enumerate(found.cells) for hour, cell in enumerate(cells) if cell.average]
    assert known == [(0, 0)]
    assert sum(cell.average is None for cells in found.cells for cell in cells) == 7 * 24 - 2


@pytest.mark.parametrize("weeks", [0, -1, 11])
def test_a_map_is_of_one_to_ten_weeks(weeks: int) -> None:
    with pytest.raises(ValueError, match="1 to 10 weeks"):
        heat_map(broadcaster_id=1, until=UNTIL, weeks=weeks)
