"""The five-minute snapshot: right figures, on the clock's marks, and never twice."""

import datetime
from collections.abc import Callable

import pytest
from django.db import IntegrityError
from redis.exceptions import RedisError

from apps.analytics.models import ViewerHistory
from apps.analytics.services import history_append, snapshot_mark, snapshot_take, snapshot_take_once
from apps.analytics.tasks import snapshot
from apps.audience.models import CurrentViewers
from apps.audience.selectors import CountsUnavailable, LiveCounts
from apps.realtime.redis import sync_client
from apps.streams.services import stream_end
from tests.analytics.house import at_once, stream_make, viewers_arrive, viewers_leave
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
@pytest.mark.parametrize("redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True)
def test_a_snapshot_holds_the_figures_of_all_live_streams(redis_url: str) -> None:
    busy, quiet, over = stream_make("busy"), stream_make("quiet"), stream_make("over")
    viewers_arrive(busy, "u1", "u2", "u3")
    viewers_leave(busy, "u2")
    viewers_arrive(over, "u1")
    assert stream_end(stream=over) is True
    assert snapshot_take(now=MARK + 3 * SECOND) == 2
    assert history() == [(busy.pk, MARK, 2, 3, 3, 3), (quiet.pk, MARK, 0, 0, 0, 0)]
    assert current() == [(busy.pk, 2, 3, 3, 3), (quiet.pk, 0, 0, 0, 0)]
    assert set(CurrentViewers.objects.values_list("captured_at", flat=True)) == {MARK}


def test_taken_twice_history_keeps_the_first_and_current_follows() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1")
    snapshot_take(now=MARK)
    viewers_arrive(stream, "u2")
    snapshot_take(now=MARK + 60 * SECOND)
    assert history() == [(stream.pk, MARK, 1, 1, 1, 1)]
    assert current() == [(stream.pk, 2, 2, 2, 2)]


def test_the_next_mark_appends_and_peaks_never_fall() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2")
    snapshot_take(now=MARK)
    viewers_leave(stream, "u1", "u2")
    snapshot_take(now=MARK + 300 * SECOND)
    assert history() == [(stream.pk, MARK, 2, 2, 2, 2), (stream.pk, MARK + 300 * SECOND, 0, 2, 2, 2)]
    assert current() == [(stream.pk, 0, 2, 2, 2)]


def test_a_run_that_was_held_up_does_not_undo_a_newer_one() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2")
    snapshot_take(now=MARK + 300 * SECOND)
    viewers_leave(stream, "u1")
    snapshot_take(now=MARK)
    assert current() == [(stream.pk, 2, 2, 2, 2)]
    assert CurrentViewers.objects.get().captured_at == MARK + 300 * SECOND


def test_an_empty_house_writes_nothing() -> None:
    assert snapshot_take(now=MARK) == 0
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
    viewers_arrive(stream, "u1", "u2")

    def unguarded(meet: Callable[[], object]) -> int:
        meet()
        return snapshot_take(now=MARK)

    def guarded(meet: Callable[[], object]) -> int | None:
        meet()
        return snapshot_take_once(now=MARK + 300 * SECOND)

    assert at_once(unguarded) == [1, 1]
    assert sorted(at_once(guarded), key=str) == [1, None]
    assert history() == [(stream.pk, MARK, 2, 2, 2, 2), (stream.pk, MARK + 300 * SECOND, 2, 2, 2, 2)]
    assert current() == [(stream.pk, 2, 2, 2, 2)]


def test_a_claim_that_redis_forgot_doubles_nothing(redis_server: RedisServer) -> None:
    stream = stream_make("busy")
    assert snapshot_take_once(now=MARK) == 1
    redis_server.flush()
    stream_make("late")
    assert snapshot_take_once(now=MARK + 20 * SECOND) == 1
    assert [row[:2] for row in history() if row[0] == stream.pk] == [(stream.pk, MARK)]


def test_a_failed_run_gives_the_mark_back() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1")
    (unique,) = sync_client().scan_iter(f"view:{{{stream.pk}}}:unique:*")
    kept = sync_client().dump(unique)
    assert kept is not None
    sync_client().set(unique, "not a HyperLogLog")
    with pytest.raises(CountsUnavailable):
        snapshot_take_once(now=MARK)
    assert (history(), current()) == ([], [])
    sync_client().restore(unique, 0, kept, replace=True)
    assert snapshot_take_once(now=MARK + 10 * SECOND) == 1
    assert history() == [(stream.pk, MARK, 1, 1, 1, 1)]


def test_without_redis_nothing_is_written(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    stream_make("busy")
    private_redis.kill()
    with pytest.raises(RedisError):
        snapshot_take_once(now=MARK)
    assert (history(), current()) == ([], [])


def test_the_task_takes_the_snapshot_of_now() -> None:
    stream = stream_make("busy")
    snapshot()
    snapshot()
    (row,) = history()
    assert row[0] == stream.pk
    assert row[1].timestamp() % 300 == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_twice_writes_once(worker: Callable[..., Worker]) -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2")
    celery = worker()
    # One message straddling a 5-minute mark would rightly write two rows, so both are for the mark of the first.
    before = snapshot_mark(datetime.datetime.now(datetime.UTC))
    for _ in range(2):
        snapshot.delay()
    eventually(lambda: celery.log().count("succeeded in") == 2, deadline=30)
    after = snapshot_mark(datetime.datetime.now(datetime.UTC))
    assert [row[0] for row in history()] == [stream.pk] * len({before, after})
    assert current() == [(stream.pk, 2, 2, 2, 2)]
