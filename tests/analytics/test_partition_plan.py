"""Which partitions are made, split and dropped: the plan against a small model of a partitioned table."""

import datetime
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.analytics.partitions import (
    CATCH_ALL,
    Append,
    Create,
    Drop,
    Layout,
    Partition,
    Period,
    PlanError,
    Split,
    Step,
    plan_make,
)
from apps.audience.sessions import SEOUL

UTC = datetime.UTC


def at(text: str) -> datetime.datetime:
    """A moment, given as UTC."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def seoul(text: str) -> datetime.datetime:
    """A moment, given in Seoul."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=SEOUL)


HISTORY = Layout("viewer_history", "captured_at", Period.MONTH, 3, 24)
SESSIONS = Layout("user_sessions", "joined_at", Period.DAY, 7, 30)
STATISTICS = Layout("daily_statistics", "day", Period.YEAR, 2, 0, holds_days=True)


@dataclass
class Table:
    """What a server does with the steps: each row lies in the first partition that ends after it."""

    partitions: list[Partition] | None = None
    rows: set[datetime.datetime] = field(default_factory=set)
    dropped: set[datetime.datetime] = field(default_factory=set)

    def home(self, row: datetime.datetime) -> str:
        assert self.partitions is not None
        return next(one.name for one in self.partitions if one.until is None or row < one.until)

    def do(self, step: Step) -> None:
        match step:
            case Create(partitions):
                self.partitions = list(partitions)
            case Split(name, into):
                assert self.partitions is not None
                place = [one.name for one in self.partitions].index(name)
                assert into[-1].until == self.partitions[place].until, "a split must end where its partition ended"
                self.partitions[place : place + 1] = into
            case Append(partitions):
                assert self.partitions is not None
                assert self.partitions[-1].until is not None
                self.partitions.extend(partitions)
            case Drop(gone_names, before):
                assert self.partitions is not None
                gone = {row for row in self.rows if self.home(row) in gone_names}
                assert all(row < before for row in gone)
                self.rows -= gone
                self.dropped |= gone
                self.partitions = [one for one in self.partitions if one.name not in gone_names]
        ends = [one.until for one in self.partitions or ()]
        assert ends[-1] is None
        named = [end for end in ends[:-1] if end is not None]
        assert named == sorted(set(named)), "ends must rise, and only the last may have none"
        labels = [one.name for one in self.partitions or ()]
        assert len(labels) == len(set(labels))

    def apply(self, layout: Layout, **when: datetime.datetime) -> list[Step]:
        steps = plan_make(layout, self.partitions, **when)
        for step in steps:
            self.do(step)
        return steps


def test_a_new_table_gets_the_running_period_those_ahead_and_one_without_an_end() -> None:
    table = Table()
    (step,) = table.apply(HISTORY, now=at("2026-03-31 14:59:59"))
    assert isinstance(step, Create)
    assert [(one.name, one.until and one.until.astimezone(UTC)) for one in step.partitions] == [
        ("p202603", at("2026-03-31 15:00")),
        ("p202604", at("2026-04-30 15:00")),
        ("p202605", at("2026-05-31 15:00")),
        ("p202606", at("2026-06-30 15:00")),
        (CATCH_ALL, None),
    ]


def test_the_month_begins_at_midnight_in_seoul() -> None:
    table = Table()
    table.apply(HISTORY, now=at("2026-03-31 14:59:59"))
    (step,) = table.apply(HISTORY, now=at("2026-03-31 15:00"))
    assert step == Split(CATCH_ALL, (Partition("p202607", seoul("2026-08-01 00:00")), Partition(CATCH_ALL, None)))


def test_days_and_years() -> None:
    days, years = Table(), Table()
    days.apply(SESSIONS, now=seoul("2027-12-31 23:59:59"))
    years.apply(STATISTICS, now=seoul("2027-12-31 23:59:59"))
    assert [one.name for one in days.partitions or ()] == [
        "p20271231",
        *(f"p2028010{day}" for day in range(1, 8)),
        CATCH_ALL,
    ]
    assert [(one.name, one.until) for one in years.partitions or ()] == [
        ("p2027", seoul("2028-01-01 00:00")),
        ("p2028", seoul("2029-01-01 00:00")),
        ("p2029", seoul("2030-01-01 00:00")),
        (CATCH_ALL, None),
    ]


def test_whole_periods_are_kept_and_not_a_moment_more() -> None:
    table = Table(rows={at("2026-03-01 14:59:59"), at("2026-03-01 15:00")})
    table.apply(SESSIONS, now=seoul("2026-03-01 12:00"))
    assert [type(step) for step in table.apply(SESSIONS, now=seoul("2026-03-31 23:59"))] == [Split]
    assert table.dropped == set()
    steps = table.apply(SESSIONS, now=seoul("2026-04-01 00:00"))
    assert steps[-1] == Drop(("p20260301",), seoul("2026-03-02 00:00"))
    assert table.dropped == {at("2026-03-01 14:59:59")}


def test_for_ever_means_that_nothing_is_dropped() -> None:
    table = Table()
    table.apply(STATISTICS, now=seoul("2026-01-01 00:00"))
    assert [type(step) for step in table.apply(STATISTICS, now=seoul("2226-01-01 00:00"))] == [Split]


def test_what_the_catch_all_caught_goes_to_where_it_belongs() -> None:
    late = seoul("2026-03-20 12:00")
    table = Table()
    table.apply(SESSIONS, now=seoul("2026-03-01 12:00"))
    table.rows.add(late)
    assert table.home(late) == CATCH_ALL
    table.apply(SESSIONS, now=late)
    assert table.home(late) == "p20260320"


def test_after_a_gap_longer_than_the_retention_only_what_is_kept_gets_partitions() -> None:
    table = Table()
    table.apply(SESSIONS, now=seoul("2026-01-01 12:00"))
    old, kept = seoul("2026-05-01 12:00"), seoul("2027-01-01 00:00")
    table.rows |= {old, kept}
    table.apply(SESSIONS, now=seoul("2027-01-31 12:00"))
    assert (table.rows, table.dropped) == ({kept}, {old})
    assert len(table.partitions or ()) == 30 + 1 + 7 + 1


def test_since_gives_older_rows_partitions_of_their_own_but_not_what_would_be_dropped_at_once() -> None:
    table = Table(rows={seoul("2024-06-01 00:00"), seoul("2025-12-01 00:00"), seoul("2026-01-15 00:00")})
    table.apply(HISTORY, now=seoul("2026-01-20 00:00"))
    (step,) = table.apply(HISTORY, now=seoul("2026-01-20 00:00"), since=seoul("2020-01-01 00:00"))
    assert isinstance(step, Split)
    assert (step.name, step.into[0].name, step.into[-1].name) == ("p202601", "p202401", "p202601")
    assert {table.home(row) for row in table.rows} == {"p202406", "p202512", "p202601"}
    assert table.apply(HISTORY, now=seoul("2026-01-20 00:00"), since=seoul("2020-01-01 00:00")) == []


def test_a_table_without_a_catch_all_gets_one() -> None:
    table = Table([Partition("p202603", seoul("2026-04-01 00:00"))])
    (step,) = table.apply(HISTORY, now=seoul("2026-03-05 00:00"))
    assert isinstance(step, Append)
    assert [one.name for one in step.partitions] == ["p202604", "p202605", "p202606", CATCH_ALL]


def test_bounds_that_somebody_else_chose_are_gone_on_from() -> None:
    table = Table([Partition("spring", at("2026-04-01 00:00")), Partition("rest", None)])
    table.apply(HISTORY, now=seoul("2026-03-05 00:00"))
    assert [one.name for one in table.partitions or ()] == ["spring", "p202604", "p202605", "p202606", "rest"]
    assert [one.until for one in table.partitions or ()][1] == seoul("2026-05-01 00:00")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(PlanError):
        Layout("t", "c", Period.DAY, 0, 30)
    with pytest.raises(PlanError):
        Layout("t", "c", Period.DAY, 7, -1)
    with pytest.raises(PlanError, match="more than 1000"):
        plan_make(
            Layout("t", "c", Period.DAY, 7, 0), None, now=seoul("2026-01-01 00:00"), since=seoul("2020-01-01 00:00")
        )


moments = st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2026, 1, 1), timezones=st.just(UTC))


@given(
    layout=st.builds(
        Layout,
        st.just("t"),
        st.just("c"),
        st.sampled_from(Period),
        ahead=st.integers(1, 10),
        kept=st.integers(0, 40),
    ),
    runs=st.lists(moments, min_size=1, max_size=6).map(sorted),
    rows=st.sets(moments, max_size=30),
    since=st.none() | moments,
)
def test_nothing_is_lost_but_what_is_too_old_and_every_row_gets_to_its_own_period(
    layout: Layout, runs: list[datetime.datetime], rows: set[datetime.datetime], since: datetime.datetime | None
) -> None:
    table = Table()
    for number, now in enumerate(runs):
        table.rows |= {row for row in rows if row < now and row not in table.dropped}
        more = {"since": since} if since is not None and number == 0 else {}
        table.apply(layout, now=now, **more)
        keep_from = layout.keep_from(now)
        must_stay = {row for row in rows if row < now and (keep_from is None or row >= keep_from)}
        assert must_stay <= table.rows
        assert table.apply(layout, now=now, **more) == [], "a second run must find nothing to do"
        assert table.partitions is not None
        first_until = table.partitions[0].until
        for row in table.rows:
            if first_until is not None and row >= first_until:
                assert table.home(row) == row.astimezone(SEOUL).strftime(f"p{layout.period.value}")
        ready = layout.period.start(now, layout.ahead + 1)
        assert max(one.until for one in table.partitions if one.until is not None) >= ready
