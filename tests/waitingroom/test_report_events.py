"""Events of a zone: which openings came to pass, and when each event was over. No minute is in two of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom import report_events
from apps.waitingroom.models import ChangeAction, ZoneChange
from apps.waitingroom.report_events import LONGEST_EVENT, Event, Opening, event_end
from apps.waitingroom.reports import LONGEST, Minute, Unknown
from apps.waitingroom.statistics import statistics_write
from tests.waitingroom.past import NOON, at, happened, minute_of, zone_of_old

database = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
MINUTE = timedelta(minutes=1)


def busy(*numbers: int) -> list[Minute]:
    """Minutes in which people came, and nobody was left in line."""
    return [minute_of(number, joins=5) for number in numbers]


def waited(*numbers: int) -> list[Minute]:
    return [minute_of(number, waiting=5) for number in numbers]


def nobody_knows(first: float, end: float) -> list[Unknown]:
    return [Unknown(at(first), at(end), "lost")]


# --- its end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "now", "end"),
    [
        ([], 5, (at(5), False)),  # nobody came yet
        ([], 60, (at(1), True)),  # nobody came at all
        (busy(*range(30)), 31, (at(31), False)),
        (busy(*range(30)), 45, (at(30), True)),
        (busy(*range(30), *range(40, 50)), 90, (at(50), True)),  # a pause that is too short
        (busy(*range(30), *range(46, 50)), 90, (at(30), True)),  # the next crowd is another matter
        ([*busy(-5, 0), minute_of(1, entries=9), minute_of(2, joins=1)], 90, (at(3), True)),
        (busy(*range(2_000)), 3_000, (at(24 * 60), True)),
        # Who waited in the last minute that is told of did not go: nobody listened.
        (waited(*range(30)), 90, (at(90), False)),
        ([*waited(*range(30)), *busy(75)], 91, (at(76), True)),
        ([*waited(*range(30)), minute_of(75, entries=5)], 91, (at(76), True)),
        ([*waited(*range(30)), minute_of(30)], 45, (at(30), True)),
        # Nor do they wait for ever.
        (waited(*range(30)), 150, (at(30), True)),
        ([*waited(*range(30)), *busy(149)], 400, (at(150), True)),
        ([*waited(*range(30)), *busy(150)], 400, (at(30), True)),
    ],
)
def test_an_event_ends_when_its_line_stays_empty(
    minutes: Sequence[Minute], now: float, end: tuple[datetime, bool]
) -> None:
    assert event_end(opens_at=NOON, minutes=minutes, now=at(now)) == end


@pytest.mark.parametrize(
    ("minutes", "until", "now", "end"),
    [
        (waited(*range(120)), 45, 120, (at(45), True)),  # they wait on, for the next one
        (busy(*range(30)), 45, 46, (at(30), True)),
        (busy(*range(30)), 45, 31, (at(31), False)),
        (waited(*range(120)), 0, 120, (at(1), True)),  # in the same minute
    ],
)
def test_an_event_ends_where_the_next_one_begins(
    minutes: Sequence[Minute], until: float, now: float, end: tuple[datetime, bool]
) -> None:
    assert event_end(opens_at=NOON, minutes=minutes, now=at(now), until=at(until)) == end


@pytest.mark.parametrize(
    ("minutes", "unknown", "now", "end"),
    [
        (busy(*range(10)), nobody_knows(12, 60), 60, (at(60), False)),
        (busy(*range(10)), nobody_knows(12, 60), 74, (at(74), False)),
        (busy(*range(10)), nobody_knows(12, 60), 75, (at(60), True)),
        (busy(*range(10), 70), nobody_knows(12, 60), 90, (at(71), True)),
        (busy(*range(10)), nobody_knows(25, 60), 60, (at(10), True)),  # it was over before
        (waited(*range(10)), nobody_knows(12, 60), 75, (at(60), True)),
        ([], nobody_knows(-60, 30), 31, (at(31), False)),
        ([], nobody_knows(-60, -30), 60, (at(1), True)),
    ],
)
def test_minutes_of_which_nobody_knows_are_not_quiet(
    minutes: Sequence[Minute], unknown: Sequence[Unknown], now: float, end: tuple[datetime, bool]
) -> None:
    assert event_end(opens_at=NOON, minutes=minutes, unknown=unknown, now=at(now)) == end


@given(
    st.dictionaries(st.integers(0, 300), st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60),
    st.integers(1, 400),
    st.none() | st.integers(0, 400),
    st.none() | st.tuples(st.integers(-20, 300), st.integers(1, 100)),
)
def test_an_event_is_over_only_after_known_quiet(
    told: dict[int, tuple[int, int]], now: int, until: int | None, blind: tuple[int, int] | None
) -> None:
    """Minute by minute: it goes on through each in which somebody came or waited, or of which nobody knows."""
    unknown = nobody_knows(blind[0], sum(blind)) if blind else []
    minutes = [minute_of(number, joins=joins, waiting=waiting) for number, (joins, waiting) in sorted(told.items())]
    latest = max(1, min(now, now if until is None else until))
    end, enough = 1, 15
    for number in range(latest):
        is_blind = any(span.start <= at(number) < span.end for span in unknown)
        joins, waiting = told.get(number, (0, 0))
        if number - end >= enough:
            break
        if is_blind or joins or waiting:
            end = number + 1
        if is_blind or number in told:
            enough = 120 if waiting and not is_blind else 15
    following = None if until is None else at(until)
    found = event_end(opens_at=NOON, minutes=minutes, unknown=unknown, now=at(now), until=following)
    if is_over := latest - end >= enough or latest < now:
        assert found == (at(min(end, latest)), is_over)
    else:
        assert found == (at(latest), False)


# --- which came -----------------------------------------------------------------------------------------------------


class TestOpenings:
    """Which schedules came to pass, by what was done to the zone."""

    pytestmark = database

    def note(self, number: float, **after: datetime | None) -> None:
        told = {name: moment and moment.isoformat() for name, moment in after.items()}
        change = ZoneChange.objects.create(
            zone_id="concert", version=1, action=ChangeAction.CHANGED, before={}, after=told
        )
        ZoneChange.objects.filter(pk=change.pk).update(at=at(number))

    def found(self, now: float) -> list[Opening]:
        return report_events.openings_of(zone_id="concert", now=at(now))

    def test_moved_and_cancelled_openings_are_none(self) -> None:
        self.note(0, opens_at=at(100), prequeue_from=at(90))
        self.note(10, opens_at=at(50))  # moved; the pre-queue with it
        self.note(20, prequeue_from=at(40))
        self.note(60, opens_at=at(200), prequeue_from=None)
        self.note(70, opens_at=at(210))  # moved once more
        self.note(71, mode=None)
        self.note(300, opens_at=at(400))
        self.note(350, opens_at=None)  # called off
        first = Opening(start=at(40), opens_at=at(50))
        second = Opening(start=at(210), opens_at=at(210))
        ended = Opening(start=at(40), opens_at=at(50), until=at(210))
        assert self.found(500) == [second, ended]
        assert self.found(209) == [first]
        assert self.found(210) == [second, ended]

    def test_one_ends_where_the_next_one_gathers(self) -> None:
        self.note(0, opens_at=at(10))
        self.note(50, opens_at=at(70), prequeue_from=at(55))
        assert self.found(54) == [Opening(at(10), at(10))]
        assert self.found(60) == [Opening(at(10), at(10), until=at(55))]  # it gathers, and has not opened
        assert self.found(70) == [Opening(at(55), at(70)), Opening(at(10), at(10), until=at(55))]

    def test_a_pre_queue_that_was_another_ones_begins_where_this_one_was_planned(self) -> None:
        self.note(0, opens_at=at(10), prequeue_from=at(5))
        self.note(50, opens_at=at(70))
        assert self.found(80) == [Opening(at(50), at(70)), Opening(at(5), at(10), until=at(50))]

    def test_those_whose_minutes_are_not_kept_are_none(self, settings: LazySettings) -> None:
        for number in range(0, 300, 10):
            self.note(number, opens_at=at(number + 5))
        day = 24 * 60
        assert [one.opens_at for one in self.found(day)] == [at(number + 5) for number in range(290, -10, -10)]
        settings.ZONE_STATISTICS_KEPT_DAYS = 1
        assert [one.opens_at for one in self.found(day + 285)] == [at(295), at(285)]
        settings.ZONE_STATISTICS_KEPT_DAYS = 0
        assert len(self.found(1_000 * day)) == 30

    def test_an_event_is_no_longer_than_a_report_may_be(self) -> None:
        day = 24 * 60
        self.note(-400 * day, opens_at=at(0), prequeue_from=at(-300 * day))
        (opening,) = self.found(day)
        assert opening.opens_at + LONGEST_EVENT - opening.start == LONGEST

    def test_the_event_of_an_opening(self) -> None:
        zone = zone_of_old()
        for number in range(2, 20):
            happened(zone, number, joins=1, waiting=19 - number)
        event, made = report_events.event_report(zone_id=zone.pk, opening=Opening(at(-10), at(2)), now=at(40))
        assert event == Event(start=at(-10), opens_at=at(2), end=at(20), is_over=True)
        assert (made.start, made.end, made.arrivals, made.peak) == (at(-10), at(20), 18, 17)

    def test_of_two_events_in_one_line_each_has_its_own(self) -> None:
        """Doors at noon, and a second time at 13:00 with people gathering from 12:45, while the line stands."""
        zone = zone_of_old()
        self.note(-30, opens_at=at(0))
        self.note(40, opens_at=at(60), prequeue_from=at(45))
        for number in range(110):
            happened(zone, number, joins=10, entries=5, waiting=1_000)
        happened(zone, 110, entries=5)
        statistics_write(now=at(100.1))
        reports = [
            report_events.event_report(zone_id=zone.pk, opening=opening, now=at(126)) for opening in self.found(126)
        ]
        assert [(event.start, event.opens_at, event.end, event.is_over) for event, _made in reports] == [
            (at(45), at(60), at(111), True),
            (at(0), at(0), at(45), True),
        ]
        assert [(made.arrivals, made.admitted) for _event, made in reports] == [(650, 330), (450, 225)]
