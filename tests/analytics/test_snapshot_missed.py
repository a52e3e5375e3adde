"""Streams between two marks, and midnights: what history says of them."""

import datetime

import pytest

from apps.analytics import store
from apps.analytics.daily_services import statistics_compute
from apps.analytics.models import DailyStatistics, UserSession
from apps.analytics.services import SnapshotRun, snapshot_run
from apps.audience.models import CurrentViewers
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave
from tests.analytics.marks import MARK, SECOND, STEP, end, history, outcomes

pytestmark = [pytest.mark.database, pytest.mark.django_db]

MIDNIGHT = datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)  # in Seoul, which is nine hours ahead


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
    touched = store.touched_read(redis.run_now([store.days_touched()])[0])
    assert [day for day, stream_id in touched if stream_id is None] == [datetime.date(2026, 3, 1)]
