"""Marks at which nobody came: what the trails and the rows before tell of them."""

import datetime
from collections.abc import Sequence

import pytest

from apps.analytics import services, snapshot_store
from apps.analytics.models import ViewerHistory
from apps.analytics.services import SnapshotRun, snapshot_run
from apps.analytics.snapshots import Aside
from apps.audience.models import CurrentViewers
from apps.audience.sessions import seoul_day
from apps.audience.store import Figures, announce
from apps.realtime import redis
from apps.streams.models import Stream
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave
from tests.analytics.marks import MARK, SECOND, STEP, end, history, outcomes, refused, sweep
from tests.audience.stage import both
from tests.services.redis_cluster import replicas_wait

pytestmark = [pytest.mark.database, pytest.mark.django_db]


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


# --- figures that only grow ---------------------------------------------------------------------------------------


def reached(stream: Stream, *, peak: int, total: int) -> None:
    """So many watched at once, and so often, before the trail began."""
    day = seoul_day(int(MARK.timestamp() * 1000))
    known = Figures("live", 0, peak, total)
    command = announce(
        stream_id=stream.pk, day=day, now_ms=0, server="t", held=0, known=known, sessions=[], arrivals=False
    )
    assert redis.first_error(redis.run_now([command])) is None


def test_a_recalled_row_of_a_stream_that_ended_keeps_what_the_row_before_it_has() -> None:
    stream = stream_make("over")
    Stream.objects.update(started_at=MARK - STEP)
    reached(stream, peak=900, total=5_000)
    viewers_arrive(stream, "u1", at=MARK - SECOND)
    snapshot_run(now=MARK)
    viewers_arrive(stream, "u1", "u2", at=MARK + STEP - 20 * SECOND)
    sweep(MARK + STEP - 2 * SECOND)
    end(stream, MARK + STEP + 30 * SECOND)
    assert not CurrentViewers.objects.exists()
    snapshot_run(now=MARK + 2 * STEP)
    assert history() == [(stream.pk, MARK, 1, 900, 5_001, 1), (stream.pk, MARK + STEP, 2, 900, 5_001, 2)]


def test_so_does_one_that_is_written_after_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_make("busy")
    reached(stream, peak=900, total=5_000)
    viewers_arrive(stream, "u1", at=MARK - SECOND)
    snapshot_run(now=MARK)
    viewers_arrive(stream, "u1", "u2", at=MARK + STEP - 20 * SECOND)
    sweep(MARK + STEP - 2 * SECOND)
    reached(stream, peak=1_000, total=6_000)

    def killed(marks: Sequence[int]) -> dict[int, Aside]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(services, "_recall", killed)
        with pytest.raises(KeyboardInterrupt):
            services.snapshot_take(now=MARK + 2 * STEP)  # its own mark is put aside by then
    assert services.snapshots_write() == 1
    assert CurrentViewers.objects.get().captured_at == MARK + 2 * STEP
    with outcomes(taken=1, recalled=1):
        snapshot_run(now=MARK + 3 * STEP)
    assert [row[1:5] for row in history()] == [
        (MARK, 1, 900, 5_001),
        (MARK + STEP, 2, 900, 5_001),
        (MARK + 2 * STEP, 2, 1_000, 6_000),
        (MARK + 3 * STEP, 2, 1_000, 6_000),
    ]


def test_the_row_before_need_not_be_of_the_mark_before() -> None:
    """Of the last mark that was taken before the one recalled, one stream could not be read; another was not live."""
    left_out, new, other = stream_make("left-out"), stream_make("new"), stream_make("other")
    for stream, peak in ((left_out, 70), (other, 50)):
        reached(stream, peak=peak, total=peak)
        viewers_arrive(stream, "u1", at=MARK)
    snapshot_run(now=MARK)
    snapshot_run(now=MARK + STEP)
    ViewerHistory.objects.filter(stream_id=left_out.pk, captured_at=MARK + STEP).delete()
    ViewerHistory.objects.filter(stream_id=new.pk).delete()
    CurrentViewers.objects.all().delete()
    for stream in (left_out, new, other):
        viewers_arrive(stream, "u2", "u3", at=MARK + 2 * STEP - 20 * SECOND)
    sweep(MARK + 2 * STEP - 2 * SECOND)
    snapshot_run(now=MARK + 3 * STEP)
    recalled = [(pk, peak, total) for pk, at, _, peak, total, _ in history() if at == MARK + 2 * STEP]
    assert recalled == [(left_out.pk, 70, 71), (new.pk, 2, 2), (other.pk, 50, 51)]


def test_viewers_of_the_day_are_not_taken_from_a_row_of_the_day_before() -> None:
    midnight = datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)
    stream = stream_make("late")
    viewers_arrive(stream, "u1", "u2", "u3", at=midnight - 400 * SECOND)
    snapshot_run(now=midnight - STEP)
    viewers_arrive(stream, "u1", at=midnight - 10 * SECOND)
    sweep(midnight - 2 * SECOND)
    snapshot_run(now=midnight + STEP)
    assert history()[:2] == [(stream.pk, midnight - STEP, 3, 3, 3, 3), (stream.pk, midnight, 1, 3, 3, 1)]
