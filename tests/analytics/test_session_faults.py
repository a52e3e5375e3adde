"""Whatever dies on the way, sessions that are over get into user_sessions: all of them, once."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from prometheus_client import REGISTRY

from apps.analytics import session_services, store
from apps.analytics.session_services import Drained, lag_measure, sessions_bring_in, sessions_drain
from apps.analytics.tasks import sessions
from apps.audience import past_store, services
from apps.audience.selectors import past_waiting
from apps.realtime import redis
from apps.realtime.redis import sync_client
from tests.analytics.house import stream_make
from tests.analytics.past import put_down, put_down_many, record, rows, session_ids, waits
from tests.audience.stage import NOON, Stage, tab
from tests.services.waiting import eventually
from tests.services.worker import Worker

pytestmark = [pytest.mark.database, pytest.mark.django_db]
MINUTE = 60_000


def drain(**options: Any) -> Drained:
    """A run that had a place."""
    done = sessions_drain(now_ms=NOON + MINUTE, **options)
    assert done is not None
    return done


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"fullhouse_{name}", labels) or 0.0


def rejected() -> list[tuple[str, str, str]]:
    """(stream, record, reason) of what was set aside."""
    replies = past_store.rejected_read(redis.run_now([past_store.rejected()])[0])
    return [(fields["stream"], fields["record"], fields["reason"]) for _, fields in replies]


# --- what dies on the way -----------------------------------------------------------------------------------------


def test_acknowledged_before_it_is_written_is_lost_with_the_worker() -> None:
    """Why it is done in the other order: as if the worker had died between these two lines and writing."""
    put_down_many(50)
    taken = past_store.taken_read(
        redis.run_now([past_store.take(stream_id=1, consumer="0", count=500, taken_over_after_ms=None)])[0]
    )
    redis.run_now([past_store.acknowledge(stream_id=1, ids=[record_id for record_id, _ in taken])])
    assert drain(taken_over_after_ms=0) == Drained(0, 0, True)
    assert session_ids() == []


def test_written_and_not_acknowledged_is_written_again_and_stays_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    put_down_many(50)
    with monkeypatch.context() as patched:
        patched.setattr(session_services._Run, "_settle", die)
        with pytest.raises(Killed):
            sessions_drain()
    before = rows()
    assert (len(before), past_waiting().records) == (50, 50)
    assert drain() == Drained(0, 0, True)  # it may only be slow: nobody takes its share for half a minute
    assert past_waiting().records == 50
    assert drain(taken_over_after_ms=0) == Drained(50, 0, True)
    assert rows() == before
    assert waits() == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_writing_and_acknowledging(worker: Callable[..., Worker], tmp_path: Path) -> None:
    halted = tmp_path / "halted"
    expected = put_down_many(700, streams=3)
    process = worker(app="tests.analytics.halting_worker", env={"HALTED": str(halted)})
    sessions.delay()
    eventually(halted.exists, deadline=30)
    process.kill()
    assert sorted(session_ids()) == sorted(expected)
    assert past_waiting().records == 700  # Redis knows nothing of it
    redis.run_now([store.drain_release(0)])  # as time does
    put_down(9, record("after", "u1"))
    assert drain(taken_over_after_ms=0) == Drained(701, 0, True)
    assert sorted(session_ids()) == sorted({*expected, "after"})
    assert waits() == []


@contextlib.contextmanager
def database_away() -> Iterator[None]:
    """Nobody answers at the database's address."""
    connection.close()
    kept = {**connection.settings_dict, "OPTIONS": dict(connection.settings_dict["OPTIONS"])}
    nowhere = "/nowhere/at/all"
    if connection.vendor == "mysql":
        connection.settings_dict["OPTIONS"] = {**kept["OPTIONS"], "unix_socket": nowhere}
    else:
        connection.settings_dict["NAME"] = nowhere
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


@pytest.mark.django_db(transaction=True)
def test_ten_minutes_without_a_database_cost_memory_and_nothing_else() -> None:
    stream = stream_make("ann")
    stage, client = Stage(stream.pk), sync_client()
    sessions_of = [tab(f"{n:016x}", f"a{n:032x}", stream_id=stream.pk) for n in range(3_000)]
    with database_away():
        for minute in range(10):
            stage.at = minute * MINUTE
            coming = sessions_of[minute * 300 : (minute + 1) * 300]
            stage.arrive(*coming)
            stage.at += 1_000
            stage.depart(*coming)
            services.audience_sweep(now_ms=stage.now_ms)
            assert drain() == Drained(0, 0, False)
        waiting: Any = past_waiting()
        assert waiting.records == 3_000
        assert lag_measure(now_ms=waiting.since_ms + 600_000).records == 3_000
        assert metric("session_lag_seconds") == 600.0
        size: Any = client.memory_usage(f"live:past:{{{stream.pk}}}", samples=0)
        assert size / 3_000 < 120  # bytes each, as the docs have it
    assert drain() == Drained(3_000, 0, True)
    assert sorted(session_ids()) == [session.session_id for session in sessions_of]
    assert waits() == []


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_in_the_middle_gets_all_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_services, "BATCH", 500)
    expected = put_down_many(1_500)
    write, calls = session_services._insert, []

    def once(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) == 2:
            raise OperationalError(2013, "Lost connection to server during query")
        return write(batch)

    monkeypatch.setattr(session_services, "_insert", once)
    assert drain() == Drained(500, 0, False)
    assert drain() == Drained(500, 0, True)  # what was in hand is kept for half a minute
    assert drain(taken_over_after_ms=0) == Drained(500, 0, True)
    assert sorted(session_ids()) == sorted(expected)
    assert waits() == []


def test_more_than_may_wait_is_dropped_counted_and_complained_about(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SESSIONS_WAITING_MAX = 4
    stage = Stage(stream_make("ann").pk)
    stage.at = 60_000
    tabs = [tab(f"t{n}", f"u{n}", stream_id=stage.stream_id) for n in range(9)]
    stage.arrive(*tabs)
    before = metric("sessions_dropped_total")
    services.audience_sweep(now_ms=stage.now_ms)
    stage.depart(*tabs[:6])  # four of these fit
    services.audience_sweep(now_ms=stage.now_ms)
    services.audience_sweep(now_ms=stage.now_ms)  # the house is full
    stage.depart(tabs[6])
    services.audience_sweep(now_ms=stage.now_ms)
    assert metric("sessions_dropped_total") - before == 3
    assert [line for line in caplog.messages if "lost to the past" in line] == [
        f"{count} sessions that were over are lost to the past: too many wait to be written already" for count in (2, 1)
    ]
    assert drain().written == 4
    services.audience_sweep(now_ms=stage.now_ms)
    stage.depart(*tabs[7:])
    services.audience_sweep(now_ms=stage.now_ms)
    assert drain().written == 2
    assert sorted(session_ids()) == ["t0", "t1", "t2", "t3", "t7", "t8"]


def test_late_sessions_touch_the_days_that_they_belong_to() -> None:
    day = 24 * 60 * MINUTE
    put_down(
        7,
        record("today", "u1"),
        record("over midnight", "u1", joined=-day, left=MINUTE),
        record("last week", "u1", joined=-7 * day, left=-5 * day),
    )
    drain()
    touched = store.touched_read(redis.run_now([store.days_touched()])[0])
    assert [(each.isoformat(), stream_id) for each, stream_id in touched] == [
        ("2026-02-22", 7),
        ("2026-02-23", 7),
        ("2026-02-24", 7),
        ("2026-02-28", 7),
    ]


def test_days_are_touched_at_the_moment_of_writing_and_not_when_a_long_run_began() -> None:
    put_down(7, record("over midnight", "u1", joined=-24 * 60 * MINUTE))
    began = time.monotonic() - 40
    session_services._Run("long", 0, NOON, None, began=began).until(time.monotonic() + 60)
    ((_, at_ms),) = redis.run_now([("ZRANGE", store.DAYS, 0, -1, "WITHSCORES")])[0]
    assert NOON + 40_000 <= at_ms <= NOON + (time.monotonic() - began) * 1000 + 1


def test_bringing_in_also_takes_what_another_was_handed() -> None:
    stream = stream_make("ann")
    stage = Stage(stream.pk)
    stage.arrive(tab("t1", "u1"), tab("t2", "u2"))
    stage.depart(tab("t1", "u1"))  # no sweep has told the register yet
    put_down_many(1_100)
    redis.run_now([past_store.take(stream_id=1, consumer="dead", count=500, taken_over_after_ms=None)])
    sessions_bring_in()
    assert len(session_ids()) == 1_101
    assert waits() == []
