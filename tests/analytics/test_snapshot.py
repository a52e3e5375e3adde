"""The five-minute snapshot: right figures, on the clock's marks, and never twice."""

import datetime
from collections.abc import Callable

import pytest
from django.db import IntegrityError
from redis.exceptions import RedisError

from apps.analytics import services
from apps.analytics.models import ViewerHistory
from apps.analytics.services import SnapshotRun, history_append, snapshot_run
from apps.analytics.snapshots import snapshot_mark
from apps.analytics.tasks import snapshot
from apps.audience.models import CurrentViewers
from apps.audience.selectors import CountsUnavailable, LiveCounts
from apps.audience.services import audience_sweep
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from apps.streams.services import stream_end
from tests.analytics.house import at_once, stream_make, viewers_arrive, viewers_leave
from tests.services.both import on_both
from tests.services.redis_cluster import replicas_wait
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.worker import Worker

MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
SEOUL_MIDNIGHT = datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def history() -> list[tuple[int, datetime.datetime, int, int, int, int]]:
    """All of viewer_history."""
    return list(
        ViewerHistory.objects.order_by("captured_at", "stream_id").values_list(
            "stream_id", "captured_at", "current", "peak", "total", "unique_today"
        )
    )


def current() -> list[tuple[int, int, int, int, int]]:
    """All of current_viewers."""
    return list(
        CurrentViewers.objects.order_by("stream_id").values_list(
            "stream_id", "current", "peak", "total", "unique_today"
        )
    )


def marks_forget() -> None:
    """As if Redis had lost which marks were taken."""
    keys = list(sync_client().scan_iter("history:{snapshots}:taken:*"))
    assert keys
    sync_client().delete(*keys)


@pytest.mark.parametrize(
    ("now", "mark"),
    [
        (MARK, MARK),
        (MARK + 299 * SECOND - 2 * SECOND, MARK),
        # beat sent it at 3:10, but this worker's clock is a second behind
        (MARK + 299 * SECOND, MARK + 300 * SECOND),
        (MARK - 1 * SECOND, MARK),
        (MARK - 3 * SECOND, MARK - 300 * SECOND),
        # a day ends in Seoul (UTC+9): marks are the same in both
        (
            datetime.datetime(2026, 3, 1, 14, 59, 57, tzinfo=datetime.UTC),
            datetime.datetime(2026, 3, 1, 14, 55, tzinfo=datetime.UTC),
        ),
        (
            datetime.datetime(2026, 3, 1, 15, 0, 0, tzinfo=datetime.UTC),
            datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC),
        ),
    ],
)
def test_marks_are_the_clocks_five_minutes(now: datetime.datetime, mark: datetime.datetime) -> None:
    assert snapshot_mark(now) == mark


@pytest.mark.django_db(transaction=True)
@on_both
def test_a_snapshot_holds_the_figures_of_all_live_streams(redis_url: str) -> None:
    busy, quiet, over = stream_make("busy"), stream_make("quiet"), stream_make("over")
    viewers_arrive(busy, "u1", "u2", "u3", at=MARK)
    viewers_leave(busy, "u2", at=MARK)
    viewers_arrive(over, "u1", at=MARK)
    assert stream_end(stream=over) is True
    replicas_wait()
    assert snapshot_run(now=MARK + 3 * SECOND) == SnapshotRun(2, 1, 0)
    assert history() == [(busy.pk, MARK, 2, 3, 3, 3), (quiet.pk, MARK, 0, 0, 0, 0)]
    assert current() == [(busy.pk, 2, 3, 3, 3), (quiet.pk, 0, 0, 0, 0)]
    assert set(CurrentViewers.objects.values_list("captured_at", flat=True)) == {MARK}


def test_a_mark_is_taken_once() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK)
    assert snapshot_run(now=MARK) == SnapshotRun(1, 1, 0)
    viewers_arrive(stream, "u2", at=MARK)
    for seconds in (0, 30, 60, 290):
        assert snapshot_run(now=MARK + seconds * SECOND) == SnapshotRun(None, 0, 0)
    assert (history(), current()) == ([(stream.pk, MARK, 1, 1, 1, 1)], [(stream.pk, 1, 1, 1, 1)])


def test_taken_twice_history_keeps_the_first_and_current_follows() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK)
    snapshot_run(now=MARK)
    viewers_arrive(stream, "u2", at=MARK)
    marks_forget()
    assert snapshot_run(now=MARK + 60 * SECOND) == SnapshotRun(1, 1, 0)
    assert history() == [(stream.pk, MARK, 1, 1, 1, 1)]
    assert current() == [(stream.pk, 2, 2, 2, 2)]


def test_the_next_mark_appends_and_peaks_never_fall() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", at=MARK)
    snapshot_run(now=MARK)
    viewers_leave(stream, "u1", "u2", at=MARK)
    snapshot_run(now=MARK + 300 * SECOND)
    assert history() == [(stream.pk, MARK, 2, 2, 2, 2), (stream.pk, MARK + 300 * SECOND, 0, 2, 2, 2)]
    assert current() == [(stream.pk, 0, 2, 2, 2)]


def test_a_run_that_was_held_up_does_not_undo_a_newer_one() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", at=MARK)
    snapshot_run(now=MARK + 300 * SECOND)
    viewers_leave(stream, "u1", at=MARK)
    snapshot_run(now=MARK)
    assert current() == [(stream.pk, 2, 2, 2, 2)]
    assert CurrentViewers.objects.get().captured_at == MARK + 300 * SECOND


def test_an_empty_house_writes_nothing() -> None:
    assert snapshot_run(now=MARK) == SnapshotRun(0, 1, 0)
    assert (history(), current()) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_two_at_once_without_a_guard_collide() -> None:
    """The race is real: look whether the rows are there, then insert them."""

    def check_then_insert(meet: Callable[[], object]) -> bool:
        is_there = ViewerHistory.objects.filter(captured_at=MARK).exists()
        meet()
        if not is_there:
            ViewerHistory.objects.create(stream_id=1, captured_at=MARK, current=1, peak=1, total=1, unique_today=1)
        return is_there

    results = at_once(check_then_insert)
    assert [type(result) for result in results if result is not False] == [IntegrityError]
    assert results.count(False) == 1


@pytest.mark.django_db(transaction=True)
def test_two_appends_at_once_write_each_row_once() -> None:
    rows = [LiveCounts(stream_id, 5, 6, 7, 8) for stream_id in range(1, 3001)]

    def append(meet: Callable[[], object]) -> bool:
        meet()
        history_append(captured_at=MARK, rows=rows)
        return True

    assert at_once(append) == [True, True]
    assert history() == [(row.stream_id, MARK, 5, 6, 7, 8) for row in rows]


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_do_the_work_twice_without_the_claim_and_once_with_it() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", at=MARK)

    def unguarded(meet: Callable[[], object]) -> int:
        meet()
        return services._take(int(MARK.timestamp()), is_late=False)

    def guarded(meet: Callable[[], object]) -> SnapshotRun:
        meet()
        return snapshot_run(now=MARK + 300 * SECOND)

    assert at_once(unguarded) == [1, 1]
    runs = [run for run in at_once(guarded) if isinstance(run, SnapshotRun)]
    assert sorted((run.taken for run in runs), key=str) == [1, None]
    assert sum(run.written for run in runs) == 2  # this one, and what those without the claim had put aside
    assert history() == [(stream.pk, MARK, 2, 2, 2, 2), (stream.pk, MARK + 300 * SECOND, 2, 2, 2, 2)]
    assert current() == [(stream.pk, 2, 2, 2, 2)]


def test_a_claim_that_redis_forgot_doubles_nothing(redis_server: RedisServer) -> None:
    stream = stream_make("busy")
    assert snapshot_run(now=MARK).taken == 1
    redis_server.flush()
    stream_make("late")
    assert snapshot_run(now=MARK + 20 * SECOND) == SnapshotRun(1, 1, 0)
    assert [row[:2] for row in history() if row[0] == stream.pk] == [(stream.pk, MARK)]


def test_a_failed_run_gives_the_mark_back() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK)
    (unique,) = sync_client().scan_iter(f"view:{{{stream.pk}}}:unique:*")
    kept = sync_client().dump(unique)
    assert kept is not None
    sync_client().set(unique, "not a HyperLogLog")
    with pytest.raises(CountsUnavailable):
        snapshot_run(now=MARK)
    assert (history(), current()) == ([], [])
    sync_client().restore(unique, 0, kept, replace=True)
    assert snapshot_run(now=MARK + 10 * SECOND) == SnapshotRun(1, 1, 0)
    assert history() == [(stream.pk, MARK, 1, 1, 1, 1)]


def test_without_redis_nothing_is_written(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    stream_make("busy")
    private_redis.kill()
    with pytest.raises(RedisError):
        snapshot_run(now=MARK)
    assert (history(), current()) == ([], [])


def house_at_the_last_mark() -> tuple[Stream, datetime.datetime]:
    """A stream with two viewers whom a sweep has seen at the mark: the task may come any time after it."""
    mark = snapshot_mark(datetime.datetime.now(datetime.UTC))
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", at=mark)  # on its own day, if that begins with it
    audience_sweep(now_ms=int(mark.timestamp() * 1000))
    return stream, mark


def test_the_task_takes_the_snapshot_of_now() -> None:
    stream, mark = house_at_the_last_mark()
    snapshot()
    snapshot()
    assert history()[:1] == [(stream.pk, mark, 2, 2, 2, 2)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_twice_writes_once(worker: Callable[..., Worker]) -> None:
    celery = worker()
    stream, before = house_at_the_last_mark()
    for _ in range(2):
        snapshot.delay()
    eventually(lambda: celery.log().count("succeeded in") == 2, deadline=30)
    # One message straddling a 5-minute mark would rightly write two rows.
    after = snapshot_mark(datetime.datetime.now(datetime.UTC))
    assert [row[0] for row in history()] == [stream.pk] * len({before, after})
    assert current() == [(stream.pk, 2, 2, 2, 2)]
