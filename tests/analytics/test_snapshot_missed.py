"""Marks at which nobody came, streams between two of them, and midnights: what history says of them."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY

from apps.analytics import snapshot_store, store
from apps.analytics.daily_services import statistics_compute
from apps.analytics.models import DailyStatistics, UserSession, ViewerHistory
from apps.analytics.services import SnapshotRun, snapshot_run
from apps.audience.models import CurrentViewers
from apps.audience.services import audience_sweep, stream_close
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from apps.streams.services import stream_end
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave
from tests.services.redis_cluster import replicas_wait

pytestmark = [pytest.mark.database, pytest.mark.django_db]

MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
MIDNIGHT = datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)  # in Seoul, which is nine hours ahead
STEP = datetime.timedelta(minutes=5)
SECOND = datetime.timedelta(seconds=1)
both = pytest.mark.parametrize(
    "redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True
)

Row = tuple[int, datetime.datetime, int, int, int, int]


def history(*streams: Stream) -> list[Row]:
    """What history has of these streams, or of all."""
    rows = ViewerHistory.objects.order_by("captured_at", "stream_id")
    if streams:
        rows = rows.filter(stream_id__in=[stream.pk for stream in streams])
    return list(rows.values_list("stream_id", "captured_at", "current", "peak", "total", "unique_today"))


def sweep(at: datetime.datetime) -> None:
    """A sweep leaves a point in every trail."""
    audience_sweep(now_ms=int(at.timestamp() * 1000))


def stream_over(
    name: str,
    started: datetime.datetime,
    ended: datetime.datetime,
    *viewers: str,
    when: datetime.datetime | None = None,
) -> Stream:
    """A stream of that time, with viewers who came in the middle of it or then."""
    stream = stream_make(name)
    viewers_arrive(stream, *viewers, at=started + (ended - started) / 2)
    end(stream, ended)
    Stream.objects.filter(pk=stream.pk).update(started_at=started)
    return stream


def end(stream: Stream, at: datetime.datetime) -> None:
    """The stream ends, and Redis hears of it."""
    assert stream_end(stream=stream) is True
    stream_close(stream_id=stream.pk, category_id=stream.category_id)
    Stream.objects.filter(pk=stream.pk).update(ended_at=at)


@contextmanager
def outcomes(**expected: int) -> Iterator[None]:
    """How many marks had which outcome meanwhile."""

    def read() -> dict[str, float]:
        return {
            name: REGISTRY.get_sample_value("fullhouse_snapshots_total", {"outcome": name}) or 0
            for name in ("taken", "recalled", "lost", "dropped")
        }

    before = read()
    yield
    assert {name: count - before[name] for name, count in read().items() if count != before[name]} == expected


# --- marks at which nobody came -----------------------------------------------------------------------------------


@both
@pytest.mark.django_db(transaction=True)
def test_a_missed_mark_is_looked_up_in_the_trails(redis_url: str) -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", "u3", at=MARK - 20 * SECOND)
    replicas_wait()
    with outcomes(taken=1):
        snapshot_run(now=MARK)
    viewers_arrive(stream, "u4", "u5", at=MARK + STEP - 40 * SECOND)
    sweep(MARK + STEP - 30 * SECOND)  # five at once
    viewers_leave(stream, "u3", at=MARK + STEP - 20 * SECOND)
    viewers_arrive(stream, "u4", "u5", at=MARK + STEP - 12 * SECOND)
    sweep(MARK + STEP - 4 * SECOND)
    viewers_arrive(stream, "u6", "u7", "u8", "u9", at=MARK + STEP + 10 * SECOND)
    sweep(MARK + STEP + 20 * SECOND)
    replicas_wait()
    with outcomes(taken=1, recalled=1):
        assert snapshot_run(now=MARK + 2 * STEP) == SnapshotRun(1, 2, 0)
    (first, missed, last) = history()
    assert first == (stream.pk, MARK, 3, 3, 3, 3)
    # u1 and u2 were not heard of for more than a minute.
    assert missed == (stream.pk, MARK + STEP, 2, 3, 3, 3)
    assert last[:2] == (stream.pk, MARK + 2 * STEP)
    assert (last[3], last[4]) == (6, 9)


def test_a_recalled_mark_knows_what_was_reached_by_then_and_no_more() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK - SECOND)
    snapshot_run(now=MARK)
    viewers_arrive(stream, "u2", "u3", at=MARK + STEP - 20 * SECOND)
    sweep(MARK + STEP - 18 * SECOND)
    viewers_leave(stream, "u2", "u3", at=MARK + STEP - 15 * SECOND)
    sweep(MARK + STEP - 3 * SECOND)
    viewers_arrive(stream, *(f"v{n}" for n in range(7)), at=MARK + STEP + SECOND)
    snapshot_run(now=MARK + 2 * STEP)
    assert [row[2:] for row in history()] == [(1, 1, 1, 1), (0, 2, 2, 1), (7, 7, 10, 10)]


def test_what_no_trail_tells_is_not_guessed_but_counted(caplog: pytest.LogCaptureFixture) -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK)
    snapshot_run(now=MARK)
    with outcomes(taken=1, lost=5):
        snapshot_run(now=MARK + 6 * STEP)
    assert [row[1] for row in history(stream)] == [MARK, MARK + 6 * STEP]
    assert "5 snapshot(s) before 2026-03-01 03:35:00+00:00 were not taken" in caplog.text


def test_an_old_point_tells_nothing_of_a_mark() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK)
    snapshot_run(now=MARK)
    sweep(MARK + STEP - 16 * SECOND)
    with outcomes(taken=1, lost=1):
        snapshot_run(now=MARK + 2 * STEP)
    assert [row[1] for row in history(stream)] == [MARK, MARK + 2 * STEP]


def test_who_comes_late_takes_what_was_at_the_mark() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", "u2", at=MARK - 5 * SECOND)
    sweep(MARK - 2 * SECOND)
    viewers_arrive(stream, "u3", at=MARK + 5 * SECOND)
    with outcomes(recalled=1):
        assert snapshot_run(now=MARK + 61 * SECOND) == SnapshotRun(1, 1, 0)
    assert history() == [(stream.pk, MARK, 2, 2, 2, 2)]
    with outcomes():
        assert snapshot_run(now=MARK + 90 * SECOND) == SnapshotRun(None, 0, 0)


def test_who_comes_late_to_a_new_house_has_lost_nothing() -> None:
    stream_make("new")
    with outcomes():
        assert snapshot_run(now=MARK + 200 * SECOND) == SnapshotRun(0, 0, 0)
    assert history() == []


def test_a_stream_that_ended_since_is_recalled_too() -> None:
    stream, other = stream_make("over"), stream_make("goes-on")
    Stream.objects.update(started_at=MARK - STEP)
    snapshot_run(now=MARK)
    viewers_arrive(stream, "u1", at=MARK + STEP - 20 * SECOND)
    sweep(MARK + STEP - 2 * SECOND)
    end(stream, MARK + STEP + 30 * SECOND)
    snapshot_run(now=MARK + 2 * STEP)
    assert history(stream) == [(stream.pk, MARK, 0, 0, 0, 0), (stream.pk, MARK + STEP, 1, 1, 1, 1)]
    assert [row[1] for row in history(other)] == [MARK, MARK + STEP, MARK + 2 * STEP]


def test_a_take_that_goes_on_refuses_the_next_which_is_made_up_for() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MARK - 3 * SECOND)
    sweep(MARK - 2 * SECOND)
    redis.run_now([snapshot_store.taking_claim()])
    before = refused("take")
    with outcomes():
        assert snapshot_run(now=MARK) == SnapshotRun(None, 0, 0)
    assert refused("take") == before + 1
    redis.run_now([snapshot_store.taking_release()])  # as time does if it was killed
    with outcomes(recalled=1):
        snapshot_run(now=MARK + 120 * SECOND)
    assert history() == [(stream.pk, MARK, 1, 1, 1, 1)]


def test_a_write_that_goes_on_is_left_to_whoever_is_at_it() -> None:
    stream = stream_make("busy")
    redis.run_now([snapshot_store.writing_claim()])
    before = refused("write")
    assert snapshot_run(now=MARK) == SnapshotRun(1, 0, 1)
    assert (refused("write"), history()) == (before + 1, [])
    redis.run_now([snapshot_store.writing_release()])
    assert snapshot_run(now=MARK + 30 * SECOND) == SnapshotRun(None, 1, 0)
    assert history() == [(stream.pk, MARK, 0, 0, 0, 0)]


def refused(step: str) -> float:
    return REGISTRY.get_sample_value("fullhouse_snapshots_refused_total", {"step": step}) or 0


# --- streams between two marks ------------------------------------------------------------------------------------


def test_a_stream_between_two_marks_has_one_row_with_its_figures() -> None:
    with_snapshot = stream_make("long")
    Stream.objects.update(started_at=MARK - STEP)
    viewers_arrive(with_snapshot, "u1", at=MARK - SECOND)
    snapshot_run(now=MARK)
    end(with_snapshot, MARK + 60 * SECOND)
    brief = stream_over("brief", MARK + 10 * SECOND, MARK + 100 * SECOND, "u1", "u2")
    nobody = stream_over("nobody", MARK + 10 * SECOND, MARK + STEP)
    snapshot_run(now=MARK + STEP)
    rows = [(brief.pk, MARK + STEP, 0, 2, 2, 2), (nobody.pk, MARK + STEP, 0, 0, 0, 0)]
    assert history(brief, nobody) == rows
    for late in (STEP, 2 * STEP, 3 * STEP):
        snapshot_run(now=MARK + STEP + late)
    assert history(brief, nobody) == rows
    assert history(with_snapshot) == [(with_snapshot.pk, MARK, 1, 1, 1, 1)]
    assert not CurrentViewers.objects.filter(pk__in=[brief.pk, nobody.pk]).exists()


def test_it_has_its_row_also_when_marks_were_missed_meanwhile() -> None:
    stream_make("goes-on")
    snapshot_run(now=MARK)
    brief = stream_over("brief", MARK + 2 * STEP + SECOND, MARK + 4 * STEP - SECOND, "u1")
    snapshot_run(now=MARK + 20 * STEP)
    assert history(brief) == [(brief.pk, MARK + 4 * STEP, 0, 1, 1, 1)]


def test_redis_may_have_forgotten_it(redis_server: object) -> None:
    brief = stream_over("brief", MARK + 10 * SECOND, MARK + 100 * SECOND, "u1", "u2")
    sync_client().flushall()
    snapshot_run(now=MARK + STEP)
    assert history() == [(brief.pk, MARK + STEP, 0, 2, 2, 0)]


def test_the_row_of_a_brief_stream_does_not_touch_its_day() -> None:
    """Watched for 60 of 120 seconds by one viewer: 0.5 on average, whatever the row after its end says."""
    start = MARK + 10 * SECOND
    brief = stream_over("brief", start, start + 120 * SECOND, "u1", "u2")
    UserSession.objects.create(
        session_id="s1",
        joined_at=start,
        left_at=start + 60 * SECOND,
        seconds=60,
        viewer_id="u1",
        stream_id=brief.pk,
        reason="left",
    )

    def day() -> tuple[object, ...]:
        statistics_compute(day=datetime.date(2026, 3, 1), now=MARK + 288 * STEP)
        fields = ("peak_viewers", "average_viewers", "unique_viewers", "watch_minutes", "live_minutes")
        return DailyStatistics.objects.values_list(*fields).get(stream_id=brief.pk)

    without = day()
    snapshot_run(now=MARK + STEP)
    assert len(history(brief)) == 1
    assert day() == without == (2, 0.5, 1, 1, 2)


def test_a_snapshot_in_which_nobody_watched_is_a_reading_all_the_same() -> None:
    stream = stream_make("quiet")
    Stream.objects.update(started_at=MARK - 30 * SECOND)
    viewers_arrive(stream, "u1", at=MARK - 20 * SECOND)
    viewers_leave(stream, "u1", at=MARK - 10 * SECOND)
    snapshot_run(now=MARK)
    end(stream, MARK + 30 * SECOND)
    UserSession.objects.create(
        session_id="s1",
        joined_at=MARK - 20 * SECOND,
        left_at=MARK - 10 * SECOND,
        seconds=10,
        viewer_id="u1",
        stream_id=stream.pk,
        reason="left",
    )
    statistics_compute(day=datetime.date(2026, 3, 1), now=MARK + 288 * STEP)
    assert DailyStatistics.objects.get().average_viewers == 0.0


# --- midnights ----------------------------------------------------------------------------------------------------


def test_seouls_midnight_is_a_mark_of_its_new_day_and_stored_in_utc() -> None:
    stream = stream_make("late")
    viewers_arrive(stream, "u1", "u2", at=MIDNIGHT - 600 * SECOND)
    snapshot_run(now=MIDNIGHT - STEP)
    viewers_leave(stream, "u2", at=MIDNIGHT - 10 * SECOND)
    snapshot_run(now=MIDNIGHT - SECOND)  # a worker whose clock is a little behind
    viewers_arrive(stream, "u3", at=MIDNIGHT + SECOND)
    snapshot_run(now=MIDNIGHT + STEP)
    rows = history()
    assert [row[2:] for row in rows] == [(2, 2, 2, 2), (1, 2, 2, 0), (2, 2, 3, 1)]
    assert [row[1].isoformat() for row in rows] == [f"2026-03-01T{at}:00+00:00" for at in ("14:55", "15:00", "15:05")]
    assert [row[1].astimezone(SEOUL).date().day for row in rows] == [1, 2, 2]


def test_a_brief_stream_before_midnight_counts_its_viewers_for_the_day_that_was() -> None:
    brief = stream_over("brief", MIDNIGHT - 200 * SECOND, MIDNIGHT - 100 * SECOND, "u1", "u2", "u3")
    snapshot_run(now=MIDNIGHT)
    assert history() == [(brief.pk, MIDNIGHT, 0, 3, 3, 3)]


def test_a_clock_set_back_over_midnight_doubles_nothing() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MIDNIGHT)
    assert snapshot_run(now=MIDNIGHT - STEP).taken == 1
    assert snapshot_run(now=MIDNIGHT + 3 * SECOND).taken == 1
    before = history()
    viewers_arrive(stream, "u2", at=MIDNIGHT)
    for now in (MIDNIGHT - 8 * SECOND, MIDNIGHT, MIDNIGHT + 20 * SECOND):
        assert snapshot_run(now=now) == SnapshotRun(None, 0, 0)
    assert history() == before
    # An hour back, and on from there: those marks come a second time.
    with outcomes(taken=11):
        for step in range(-12, 1):
            snapshot_run(now=MIDNIGHT + step * STEP + SECOND)
    assert [row for row in history() if row in before] == before
    assert len({row[:2] for row in history()}) == len(history()) == 13
    assert CurrentViewers.objects.get().captured_at == MIDNIGHT


def test_a_clock_set_forward_over_midnight_leaves_a_hole_that_is_counted() -> None:
    stream = stream_make("busy")
    viewers_arrive(stream, "u1", at=MIDNIGHT)
    snapshot_run(now=MIDNIGHT - STEP)
    with outcomes(taken=1, lost=12):
        snapshot_run(now=MIDNIGHT + 12 * STEP)
    assert [row[1] for row in history(stream)] == [MIDNIGHT - STEP, MIDNIGHT + 12 * STEP]


def test_a_snapshot_that_comes_after_its_day_makes_the_day_be_done_again() -> None:
    stream_make("busy")
    snapshot_run(now=MIDNIGHT)  # of March; it is later
    assert store.days_read(redis.run_now([store.days_touched()])[0]) == [datetime.date(2026, 3, 1)]
