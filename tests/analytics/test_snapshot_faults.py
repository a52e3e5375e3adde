"""What dies while a snapshot is taken or written, and that all of it is there in the end, once."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dj_database_url
import pytest
from django.db import OperationalError, connection
from prometheus_client import REGISTRY

from apps.analytics import services, snapshot_selectors, snapshot_store
from apps.analytics.models import UserSession, ViewerHistory
from apps.analytics.services import SnapshotRun, history_append, snapshot_run
from apps.analytics.session_services import Drained, sessions_drain
from apps.analytics.snapshots import snapshot_mark
from apps.analytics.tasks import snapshot
from apps.audience.models import CurrentViewers
from apps.audience.selectors import LiveCounts, past_waiting
from apps.audience.services import audience_sweep
from apps.realtime import redis
from apps.realtime.redis import sync_client
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave
from tests.plugin import Stores
from tests.services.mariadb import MariaDBServer
from tests.services.waiting import eventually
from tests.services.worker import Worker

MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
STEP = datetime.timedelta(minutes=5)
SECOND = datetime.timedelta(seconds=1)
ASIDE = "history:{snapshots}:aside"


def keys() -> list[tuple[int, datetime.datetime]]:
    """What history has."""
    return list(ViewerHistory.objects.order_by("captured_at", "stream_id").values_list("stream_id", "captured_at"))


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"fullhouse_{name}", labels) or 0.0


# --- a worker that dies -------------------------------------------------------------------------------------------


@pytest.mark.database
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_of_writing(worker: Callable[..., Worker], tmp_path: Path) -> None:
    halted = tmp_path / "halted"
    process = worker(app="tests.analytics.halting_snapshot_worker", env={"HALTED": str(halted)})
    mark = snapshot_mark(datetime.datetime.now(datetime.UTC))
    streams = [stream_make(f"s{n}") for n in range(5)]
    for stream in streams:
        viewers_arrive(stream, f"u{stream.pk}", at=mark - 3 * SECOND)
    audience_sweep(now_ms=int(mark.timestamp() * 1000))
    snapshot.delay()
    eventually(halted.exists, deadline=30)
    process.kill()
    (found,) = {captured_at for _, captured_at in keys()}  # the mark, or the next if it came just now
    assert keys() == [(stream.pk, found) for stream in streams[:2]]
    redis.run_now([snapshot_store.writing_release()])  # as time does
    assert snapshot_run(now=found + 30 * SECOND) == SnapshotRun(None, 1, 0)
    assert keys() == [(stream.pk, found) for stream in streams]
    assert list(CurrentViewers.objects.order_by("pk").values_list("pk", "current")) == [
        (stream.pk, 1) for stream in streams
    ]


@pytest.mark.database
@pytest.mark.django_db
def test_forgotten_before_it_is_written_is_lost_with_the_worker() -> None:
    """Why it is done in the other order: as if the worker had died after the first of these lines."""
    stream_make("busy")
    services.snapshot_take(now=MARK)
    redis.run_now([snapshot_store.aside_drop([int(MARK.timestamp())])])
    assert snapshot_run(now=MARK + 30 * SECOND) == SnapshotRun(None, 0, 0)
    assert keys() == []


@pytest.mark.database
@pytest.mark.django_db
def test_a_worker_killed_while_it_reads_leaves_the_mark_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    stream = stream_make("busy")
    with monkeypatch.context() as patched:
        patched.setattr(services, "counts_live", die)
        with pytest.raises(Killed):
            services.snapshot_take(now=MARK)
    assert snapshot_run(now=MARK + 30 * SECOND) == SnapshotRun(1, 1, 0)
    assert keys() == [(stream.pk, MARK)]


@pytest.mark.database
@pytest.mark.django_db
def test_a_worker_killed_while_it_looks_up_what_was_missed_has_put_its_own_mark_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed  # as a worker that asks a database which hangs

    stream = stream_make("busy")
    services.snapshot_take(now=MARK)
    viewers_arrive(stream, "u1", at=MARK + STEP - 3 * SECOND)
    audience_sweep(now_ms=int((MARK + STEP).timestamp() * 1000))
    with monkeypatch.context() as patched:
        patched.setattr(snapshot_selectors, "streams_ended_since", die)
        with pytest.raises(Killed):
            services.snapshot_take(now=MARK + 2 * STEP)
    assert snapshot_run(now=MARK + 2 * STEP + 30 * SECOND) == SnapshotRun(None, 2, 0)
    assert snapshot_run(now=MARK + 3 * STEP) == SnapshotRun(1, 2, 0)
    assert keys() == [(stream.pk, MARK + number * STEP) for number in range(4)]


# --- a database that is away --------------------------------------------------------------------------------------


@pytest.fixture
def own_mariadb(
    transactional_db: None, mariadb: MariaDBServer, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MariaDBServer]:
    """A server of this test alone, as `default`, with all tables of the run's one, partitions included."""
    assert connection.vendor == "mysql", "this test is about MariaDB; run it with --database=mariadb"
    server = MariaDBServer(stores.folder / "stopped")
    server.start()
    with connection.cursor() as cursor:
        tables = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            tables.append(cursor.fetchone()[1])
    raw = server.connect(autocommit=True)
    with raw.cursor() as cursor:
        cursor.execute("CREATE DATABASE past")
        cursor.execute("USE past")
        cursor.execute("SET foreign_key_checks = 0")
        for statement in tables:
            cursor.execute(statement)
    raw.close()
    connection.close()
    chosen = dj_database_url.parse(server.url("past"))
    kept = {name: connection.settings_dict[name] for name in ("NAME", "OPTIONS")}
    connection.settings_dict["NAME"] = chosen["NAME"]
    connection.settings_dict["OPTIONS"] = {**kept["OPTIONS"], **chosen["OPTIONS"]}
    yield server
    connection.close()
    connection.settings_dict.update(kept)
    server.remove()


@pytest.mark.slow
def test_ten_minutes_without_mysql_under_load(own_mariadb: MariaDBServer) -> None:
    """Viewers come and go; what they leave behind waits in Redis, bounded, and all of it arrives."""
    streams = [stream_make(f"s{n}") for n in range(40)]
    first = {stream.pk: MARK - STEP for stream in streams}
    assert snapshot_run(now=MARK - STEP) == SnapshotRun(40, 1, 0)
    own_mariadb.stop()
    expected: dict[tuple[int, datetime.datetime], int] = {}
    for minute in range(11):
        at = MARK + minute * 60 * SECOND
        for number, stream in enumerate(streams):
            viewers = [f"u{minute}-{n}" for n in range(number % 4 + 1)]
            viewers_arrive(stream, *viewers, at=at)
            if minute % 5:  # those who come at a mark stay for the snapshot
                viewers_leave(stream, *viewers, at=at + SECOND)
        if minute % 5 == 0:
            assert snapshot_run(now=at + 2 * SECOND) == SnapshotRun(40, 0, minute // 5 + 1)
            expected |= {(stream.pk, at): number % 4 + 1 for number, stream in enumerate(streams)}
            for number, stream in enumerate(streams):
                viewers_leave(stream, *[f"u{minute}-{n}" for n in range(number % 4 + 1)], at=at + 3 * SECOND)
        audience_sweep(now_ms=int(at.timestamp() * 1000) + 4_000)
        assert sessions_drain(now_ms=int(at.timestamp() * 1000)) == Drained(0, 0, False)
    assert snapshot_run(now=MARK + 2 * STEP + 30 * SECOND) == SnapshotRun(None, 0, 3)
    assert metric("snapshots_waiting") == 3
    size: Any = sync_client().memory_usage(ASIDE, samples=0)
    assert size < 3 * 1_000
    people = sum(number % 4 + 1 for number in range(40)) * 11
    assert past_waiting().records == people

    own_mariadb.start()
    assert snapshot_run(now=MARK + 2 * STEP + 60 * SECOND) == SnapshotRun(None, 3, 0)
    rows = ViewerHistory.objects.values_list("stream_id", "captured_at", "current")
    assert {row[:2]: row[2] for row in rows} == expected | dict.fromkeys(first.items(), 0)
    assert len(rows) == 4 * 40
    assert set(CurrentViewers.objects.values_list("captured_at", flat=True)) == {MARK + 2 * STEP}
    assert metric("snapshot_written_seconds") == (MARK + 2 * STEP).timestamp()
    done = sessions_drain(now_ms=int(MARK.timestamp() * 1000), taken_over_after_ms=0)
    assert done == Drained(people, 0, True)
    assert UserSession.objects.count() == people
    assert sync_client().exists(ASIDE) == 0


@pytest.mark.database
@pytest.mark.django_db
def test_more_than_may_wait_goes_oldest_first(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshot_store, "MARKS_KEPT", 2)
    stream = stream_make("busy")
    before = metric("snapshots_total", outcome="dropped")
    for number in range(4):
        services.snapshot_take(now=MARK + number * STEP)
    assert metric("snapshots_total", outcome="dropped") - before == 2
    assert services.snapshots_write() == 2
    assert keys() == [(stream.pk, MARK + 2 * STEP), (stream.pk, MARK + 3 * STEP)]
    assert "the snapshot(s) of ['2026-03-01 03:05:00+00:00'] are lost: too many wait already" in caplog.messages


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_between_two_parts_gets_all_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "ROWS_PER_PART", 2)
    streams = [stream_make(f"s{n}") for n in range(5)]
    calls: list[int] = []

    def once(*, captured_at: datetime.datetime, rows: list[LiveCounts]) -> None:
        calls.append(len(rows))
        if len(calls) == 2:
            raise OperationalError(2013, "Lost connection to server during query")
        history_append(captured_at=captured_at, rows=rows)

    monkeypatch.setattr(services, "history_append", once)
    assert snapshot_run(now=MARK) == SnapshotRun(5, 0, 1)
    assert len(keys()) == 2
    assert snapshot_run(now=MARK + 30 * SECOND) == SnapshotRun(None, 1, 0)
    assert keys() == [(stream.pk, MARK) for stream in streams]


@pytest.mark.database
@pytest.mark.django_db
def test_a_run_stops_in_time_and_the_next_goes_on() -> None:
    stream = stream_make("busy")
    for number in range(3):
        services.snapshot_take(now=MARK + number * STEP)
    assert [services.snapshots_write(seconds=0) for _ in range(4)] == [1, 1, 1, 0]
    assert keys() == [(stream.pk, MARK + number * STEP) for number in range(3)]


@pytest.mark.database
@pytest.mark.django_db
def test_a_spoilt_snapshot_does_not_keep_the_next_from_the_table(caplog: pytest.LogCaptureFixture) -> None:
    stream = stream_make("busy")
    redis.run_now([snapshot_store.aside_put({int(MARK.timestamp()): b"1nonsense"})])
    before = metric("snapshots_total", outcome="dropped")
    assert snapshot_run(now=MARK + STEP) == SnapshotRun(1, 1, 0)
    assert metric("snapshots_total", outcome="dropped") - before == 1
    assert keys() == [(stream.pk, MARK + STEP)]
    assert "the snapshot of 2026-03-01 03:05:00+00:00 is lost" in caplog.text
