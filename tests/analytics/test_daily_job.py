"""The job that makes statistics: one at a time, no more than changed, and no longer than it may take."""

import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, router
from django.utils import timezone

from apps.analytics import daily_selectors, daily_services, readers, store
from apps.analytics.claim import StatisticsBusy, claimed
from apps.analytics.daily_services import Computed, statistics_compute, statistics_keep
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from tests.analytics.test_daily_statistics import DAWN, DAY, HOUR, MINUTE, NOW, rows, stream_make, watch
from tests.services.both import on_both

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ONE_DAY = datetime.timedelta(days=1)


def made(now: datetime.datetime, **options: Any) -> list[tuple[str, int]]:
    """The days that the job makes at that moment, and how many streams of each."""
    done = statistics_keep(now=now, **options)
    assert done is not None
    return [(computed.day.isoformat(), computed.streams) for computed in done]


def touched() -> list[str]:
    """What is to be made again, today aside."""
    reply = redis.ask_now([store.days_touched()])[0]
    return sorted(member.decode() for member in reply if member != NOW.date().isoformat().encode())


def late(stream_id: int, *days: datetime.date, at: datetime.datetime = DAWN) -> None:
    """As the drain says of sessions that came late."""
    at_ms = round(at.timestamp() * 1000)
    redis.ask_now([store.touch([(day, stream_id) for day in days], at_ms)])


# --- one at a time ------------------------------------------------------------------------------------------------


@on_both
def test_a_claim_is_held_by_one_and_a_lapsed_one_keeps_nobody_elses(redis_url: str) -> None:
    with claimed() as mine:
        mine.keep()
        with pytest.raises(StatisticsBusy), claimed(wait_s=0.3):
            raise AssertionError("two hold it")
        redis.ask_now([("DEL", store.CLAIM)])  # as if it had taken too long
        with claimed() as others:
            with pytest.raises(StatisticsBusy, match="took so long"):
                mine.keep()
            others.keep()
    assert redis.ask_now([("EXISTS", store.CLAIM)]) == [0]


def test_who_gives_up_a_lapsed_claim_leaves_anothers_alone() -> None:
    with claimed():
        redis.ask_now([("DEL", store.CLAIM), store.claim_take("somebody")])
    assert redis.ask_now([("GET", store.CLAIM)]) == [b"somebody"]


@pytest.fixture
def slow_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[threading.Event, Callable[[], Any]]]:
    """A run of the job in a thread, that has read the day and does not write yet: what lets it go, and its outcome."""

    def start() -> tuple[threading.Event, Callable[[], Any]]:
        has_read, may_write = threading.Event(), threading.Event()
        read = daily_selectors.new_of_day
        outcome: list[list[Computed] | None] = []

        def slow(*args: Any) -> dict[int, int]:
            found = read(*args)
            if threading.current_thread() is thread and not has_read.is_set():
                has_read.set()
                assert may_write.wait(60)
            return found

        def run() -> None:
            try:
                outcome.append(statistics_keep(now=NOW))
            finally:
                connections.close_all()

        monkeypatch.setattr(daily_selectors, "new_of_day", slow)
        thread = threading.Thread(target=run)
        thread.start()
        assert has_read.wait(60)

        def join() -> Any:
            thread.join()
            return outcome[0]

        return may_write, join

    return start


@pytest.mark.django_db(transaction=True)
def test_what_a_slow_run_read_long_ago_does_not_replace_what_came_since(slow_run: Any) -> None:
    stream = stream_make("late show", 0 * HOUR, 2 * HOUR)
    watch(stream, "u1", 0 * HOUR, HOUR)
    late(stream.pk, DAY)
    may_write, join = slow_run()
    watch(stream, "u2", 0 * HOUR, HOUR)  # after the slow one had read
    late(stream.pk, DAY, at=NOW + MINUTE)
    assert statistics_keep(now=NOW + 30 * MINUTE) is None
    may_write.set()
    assert [computed.day for computed in join()] == [DAY, DAY + ONE_DAY]
    assert statistics_keep(now=NOW + 60 * MINUTE) is not None
    assert [row[6] for row in rows()] == [120]
    assert touched() == []


@pytest.mark.django_db(transaction=True)
def test_without_the_claim_it_would(slow_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.claim_take
    monkeypatch.setattr(store, "claim_take", lambda holder: ("ECHO", "1"))
    monkeypatch.setattr(store, "claim_keep", lambda holder: ("ECHO", "1"))
    stream = stream_make("late show", 0 * HOUR, 2 * HOUR)
    watch(stream, "u1", 0 * HOUR, HOUR)
    late(stream.pk, DAY)
    may_write, join = slow_run()
    watch(stream, "u2", 0 * HOUR, HOUR)
    late(stream.pk, DAY, at=NOW + MINUTE)
    assert statistics_keep(now=NOW + 30 * MINUTE) is not None
    may_write.set()
    join()
    monkeypatch.setattr(store, "claim_take", real)
    assert [row[6] for row in rows()] == [60]
    assert touched() == []  # nobody would make it again


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_claim_lapsed_writes_nothing_more(slow_run: Any) -> None:
    stream = stream_make("late show", 0 * HOUR, 2 * HOUR)
    watch(stream, "u1", 0 * HOUR, HOUR)
    late(stream.pk, DAY)
    may_write, join = slow_run()
    redis.ask_now([("DEL", store.CLAIM)])
    watch(stream, "u2", 0 * HOUR, HOUR)
    statistics_compute(day=DAY, now=NOW)
    may_write.set()
    assert join() is None
    assert [row[6] for row in rows()] == [120]
    assert touched() == [f"{DAY}:{stream.pk}"]


@pytest.mark.django_db(transaction=True)
def test_who_wants_a_day_made_waits_for_the_run_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    today = timezone.now().astimezone(SEOUL).date()
    asked = threading.Event()
    take = store.claim_take

    def taking(holder: str) -> Any:
        asked.set()
        return take(holder)

    found: list[Computed] = []

    def compute() -> None:
        try:
            found.append(statistics_compute(day=DAY, now=NOW))
        finally:
            connections.close_all()

    waiter = threading.Thread(target=compute)
    with claimed():
        monkeypatch.setattr(daily_services, "PATIENCE_S", 0.3)
        with pytest.raises(CommandError, match="being made, or a viewer erased; try again later"):
            call_command("daily_statistics", str(today))
        with pytest.raises(CommandError, match="being made already"):
            call_command("daily_statistics")
        monkeypatch.setattr(daily_services, "PATIENCE_S", 60.0)
        monkeypatch.setattr(store, "claim_take", taking)
        waiter.start()
        assert asked.wait(60)
        assert found == []
    waiter.join()
    assert found == [Computed(DAY, 0, 0)]


# --- no more than changed -----------------------------------------------------------------------------------------


def test_a_late_session_has_its_broadcasters_days_made_again_and_nobody_elses() -> None:
    before, after = DAY - 2 * ONE_DAY, DAY - ONE_DAY
    mina = stream_make("mina's", -50 * HOUR, None)
    minas_first = stream_make("an hour", -56 * HOUR, -55 * HOUR, owner="kim")
    stream_make("jun's", -50 * HOUR, None, owner="jun")
    late(mina.pk, before)
    late(minas_first.pk, after)
    late(999_999, DAY - 20 * ONE_DAY)  # of a stream that is gone
    # Of the day that runs all streams, of the others mina's; kim was not live on that day.
    assert made(NOW) == [(before.isoformat(), 1), (after.isoformat(), 1), (DAY.isoformat(), 1), ("2026-03-02", 2)]
    assert made(NOW + 30 * MINUTE) == [("2026-03-02", 2)]
    assert touched() == []


def test_of_many_broadcasters_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.analytics.daily_selectors.BROADCASTERS_ASKED", 1)
    streams = [stream_make(name, HOUR, 2 * HOUR, owner=name) for name in ("mina", "jun", "kim")]
    for stream in streams[:2]:
        late(stream.pk, DAY)
    assert made(NOW) == [(DAY.isoformat(), 2), ("2026-03-02", 0)]
    assert [row[0] for row in rows()] == [stream.pk for stream in streams[:2]]


def test_a_day_that_changed_as_a_whole_takes_those_after_it_along() -> None:
    for owner in ("mina", "jun"):
        stream_make(owner, -50 * HOUR, None, owner=owner)
    redis.ask_now([store.days_touch([DAY - ONE_DAY], 1)])
    assert made(NOW) == [("2026-02-28", 2), (DAY.isoformat(), 2), ("2026-03-02", 2)]


# --- no longer than it may take -----------------------------------------------------------------------------------


def test_a_run_leaves_what_is_too_much_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    mina = stream_make("mina's", -80 * HOUR, None)
    jun = stream_make("jun's", -80 * HOUR, None, owner="jun")
    late(mina.pk, DAY - 3 * ONE_DAY)
    late(jun.pk, DAY - ONE_DAY)
    # One day at least, and today.
    assert made(NOW, seconds=0) == [("2026-02-26", 1), ("2026-03-02", 2)]
    assert "3 day(s) from 2026-02-27 on are left to the next run" in caplog.text
    assert touched() == [f"2026-02-27:{mina.pk}", f"2026-02-28:{jun.pk}"]
    assert made(NOW + 30 * MINUTE, seconds=0) == [("2026-02-27", 1), ("2026-03-02", 2)]
    assert made(NOW + 60 * MINUTE) == [("2026-02-28", 2), (DAY.isoformat(), 2), ("2026-03-02", 2)]
    assert touched() == []


def test_days_that_are_due_as_a_whole_are_left_as_such() -> None:
    for owner in ("mina", "jun"):
        stream_make(owner, -80 * HOUR, None, owner=owner)
    redis.ask_now([store.days_touch([DAY - 2 * ONE_DAY], 1)])
    assert made(NOW, seconds=0) == [("2026-02-27", 2), ("2026-03-02", 2)]
    assert touched() == ["2026-02-28"]
    assert made(NOW + 30 * MINUTE) == [("2026-02-28", 2), (DAY.isoformat(), 2), ("2026-03-02", 2)]
    assert touched() == []


def test_a_run_that_fails_has_done_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    mina = stream_make("mina's", -80 * HOUR, None)
    late(mina.pk, DAY - 2 * ONE_DAY)
    write = daily_services._statistics_write

    def failing(day: datetime.date, rows: Any) -> None:
        if day == DAY:
            raise RuntimeError("the power is out")
        write(day, rows)

    monkeypatch.setattr(daily_services, "_statistics_write", failing)
    with pytest.raises(RuntimeError):
        statistics_keep(now=NOW)
    assert touched() == [f"{DAY}:{mina.pk}"]
    monkeypatch.setattr(daily_services, "_statistics_write", write)
    assert made(NOW + 30 * MINUTE) == [(DAY.isoformat(), 1), ("2026-03-02", 1)]


@on_both
def test_what_changed_while_it_was_made_is_not_settled(redis_url: str) -> None:
    many = [(DAY, number) for number in range(1, 5_001)]
    for start in range(0, 5_000, 1_000):
        redis.ask_now([store.touch(many[start : start + 1_000], 1_000)])
    redis.ask_now([store.days_touch([DAY], 3_000), store.touch([(DAY, 7)], 2_000)])
    daily_services._settle([*many, (DAY, None), (DAY, 99_999)], 2_000)
    assert touched() == [f"{DAY}", f"{DAY}:7"]
    redis.ask_now([store.touch([(DAY, 7)], 0)])  # older than what is known of it: changes nothing
    daily_services._settle([(DAY, 7), (DAY, None)], 2_001)
    assert touched() == [f"{DAY}"]


def test_no_day_is_read_from_the_primary_because_one_before_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [readers.ReaderRouter()])
    stream = stream_make("mina's", -50 * HOUR, None)
    late(stream.pk, DAY - ONE_DAY)
    readers.own_writes_forget()
    wrote: list[bool] = []
    read = daily_selectors.watched_of_day

    def watched_of_day(*args: Any) -> dict[int, tuple[int, int]]:
        wrote.append(readers._has_written())
        return read(*args)

    monkeypatch.setattr(daily_selectors, "watched_of_day", watched_of_day)
    assert len(made(NOW)) == 3
    assert wrote == [False] * 3


# --- visitors -----------------------------------------------------------------------------------------------------


def test_visitors_are_looked_through_once_a_day_at_whatever_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    days: list[str] = []
    monkeypatch.setattr(daily_services, "visitors_expire", lambda *, today: days.append(today.isoformat()))
    for hours in (10, 11, 23, 33, 34):
        statistics_keep(now=DAWN + hours * HOUR)
    assert days == ["2026-03-01", "2026-03-02"]
