"""Statistics of days from real tables: right figures, the same however often, and days that wait to be done again."""

import datetime
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.analytics import store
from apps.analytics.daily_services import Computed, DayNotKept, statistics_compute, statistics_keep, visitors_expire
from apps.analytics.models import DailyStatistics, UserSession, ViewerHistory, Visitor
from apps.analytics.tasks import daily
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start
from tests.analytics.house import at_once

pytestmark = [pytest.mark.database, pytest.mark.django_db]

DAY = datetime.date(2026, 3, 1)
DAWN = datetime.datetime(2026, 3, 1, tzinfo=SEOUL)
HOUR, MINUTE, SECOND = (datetime.timedelta(**{unit: 1}) for unit in ("hours", "minutes", "seconds"))
NOW = DAWN + 34 * HOUR  # ten in the morning of the day after
FIELDS = (
    "stream_id",
    "peak_viewers",
    "average_viewers",
    "unique_viewers",
    "new_viewers",
    "returning_viewers",
    "watch_minutes",
    "live_minutes",
)


def stream_make(
    name: str, started: datetime.timedelta, ended: datetime.timedelta | None, *, owner: str = "mina", peak: int = 0
) -> Stream:
    """A stream with moments told from the beginning of the first of March."""
    stream = stream_start(
        broadcaster=broadcaster_ensure(name=owner, slug=owner),
        category=category_ensure(slug="talk", name="Talk"),
        title=name,
        started_at=DAWN + started,
    )
    if ended is not None:
        Stream.objects.filter(pk=stream.pk).update(status="ended", ended_at=DAWN + ended, peak_viewers=peak)
    return stream


def watch(stream: Stream, viewer: str, joined: datetime.timedelta, left: datetime.timedelta) -> None:
    UserSession.objects.create(
        session_id=f"{stream.pk}-{viewer}-{joined}",
        joined_at=DAWN + joined,
        left_at=DAWN + left,
        seconds=(left - joined).total_seconds(),
        viewer_id=viewer,
        stream_id=stream.pk,
        reason="left",
    )


def snapshot(stream: Stream, at: datetime.timedelta, current: int, peak: int) -> None:
    ViewerHistory.objects.create(
        stream_id=stream.pk, captured_at=DAWN + at, current=current, peak=peak, total=peak, unique_today=peak
    )


def compute(day: datetime.date = DAY, now: datetime.datetime = NOW) -> list[tuple[Any, ...]]:
    """The day's rows after it was computed."""
    statistics_compute(day=day, now=now)
    return rows(day)


def rows(day: datetime.date = DAY) -> list[tuple[Any, ...]]:
    return list(DailyStatistics.objects.filter(day=day).order_by("stream_id").values_list(*FIELDS))


@pytest.fixture
def late_show(db: None) -> Stream:
    """A stream from 22:00 of the day before until 02:00, with snapshots, and viewers of every kind."""
    stream = stream_make("late show", -2 * HOUR, 2 * HOUR, peak=40)
    snapshot(stream, -5 * MINUTE, 30, 40)
    snapshot(stream, 0 * HOUR, 20, 40)
    snapshot(stream, HOUR, 10, 40)
    watch(stream, "u1", -HOUR, HOUR)  # over midnight
    watch(stream, "u2", HOUR, 90 * MINUTE)
    watch(stream, "u2", 100 * MINUTE, 120 * MINUTE)
    watch(stream, "u3", -HOUR, -30 * MINUTE)  # yesterday only
    watch(stream, "u3", -30 * MINUTE, 0 * HOUR)  # left when the day began
    watch(stream, "a4", MINUTE, MINUTE)  # came and went
    return stream


def test_a_stream_over_midnight_has_its_part_in_each_day(late_show: Stream) -> None:
    assert compute(DAY - datetime.timedelta(days=1)) == [(late_show.pk, 40, 30.0, 2, 2, 0, 120, 120)]
    # u1 was new yesterday; u2 and a4 are new. Watched: 60 + 30 + 20 minutes.
    assert compute() == [(late_show.pk, 20, 15.0, 3, 2, 1, 110, 120)]
    # On the day after it was not live: no row.
    assert compute(DAY + datetime.timedelta(days=1)) == []


def test_however_often_the_rows_are_the_same(late_show: Stream) -> None:
    stream_make("another", 3 * HOUR, 4 * HOUR, owner="jun", peak=3)
    first = [compute(DAY - datetime.timedelta(days=1)), compute()]
    visitors = list(Visitor.objects.order_by("viewer_id").values_list())
    for now in (NOW, NOW + 5 * HOUR, NOW + 15 * 24 * HOUR):
        assert [compute(DAY - datetime.timedelta(days=1), now), compute(DAY, now)] == first
    assert list(Visitor.objects.order_by("viewer_id").values_list()) == visitors


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_write_the_same(late_show: Stream) -> None:
    expected = compute()

    def run(meet: Any) -> Computed:
        meet()
        return statistics_compute(day=DAY, now=NOW)

    assert at_once(run) == [Computed(DAY, 1, 110)] * 2
    assert rows() == expected


def test_the_midnight_snapshot_belongs_to_the_next_day_and_tells_of_a_peak_before_it() -> None:
    stream = stream_make("on and on", -2 * HOUR, None)
    snapshot(stream, -MINUTE, 5, 8)
    snapshot(stream, 23 * HOUR, 6, 8)
    snapshot(stream, 24 * HOUR, 7, 11)
    assert compute()[0][1:3] == (11, 6.0)
    assert compute(DAY + datetime.timedelta(days=1))[0][1:3] == (7, 7.0)


def test_a_viewer_is_new_to_a_broadcaster_once() -> None:
    first = stream_make("first", 0 * HOUR, 2 * HOUR)
    second = stream_make("second", 3 * HOUR, 5 * HOUR)
    others = stream_make("others", 0 * HOUR, 5 * HOUR, owner="jun")
    tomorrow = stream_make("tomorrow", 24 * HOUR, 26 * HOUR)
    for stream, at in ((first, HOUR), (second, 4 * HOUR), (others, 4 * HOUR), (tomorrow, 25 * HOUR)):
        watch(stream, "u1", at, at + MINUTE)
    watch(second, "u2", 3 * HOUR, 4 * HOUR)
    assert [(row[0], *row[3:6]) for row in compute()] == [
        (first.pk, 1, 1, 0),
        (second.pk, 2, 1, 1),
        (others.pk, 1, 1, 0),
    ]
    assert [row[3:6] for row in compute(DAY + datetime.timedelta(days=1))] == [(1, 0, 1)]
    # Their sessions are long gone, and they still are no strangers.
    UserSession.objects.all().delete()
    later = stream_make("later", 240 * HOUR, 242 * HOUR)
    watch(later, "u1", 241 * HOUR, 242 * HOUR)
    watch(later, "u9", 241 * HOUR, 242 * HOUR)
    day = DAY + datetime.timedelta(days=10)
    assert [row[3:6] for row in compute(day, DAWN + 250 * HOUR)] == [(2, 1, 1)]


def test_a_session_that_comes_late_changes_who_is_new_from_its_day_on() -> None:
    stream = stream_make("on and on", -30 * HOUR, None)
    watch(stream, "u1", HOUR, 2 * HOUR)
    assert compute()[0][3:6] == (1, 1, 0)
    watch(stream, "u1", -HOUR, -30 * MINUTE)
    redis.run_now([store.days_touch([DAY - datetime.timedelta(days=1)], 1)])
    assert due(NOW) == ["2026-02-28", "2026-03-01", "2026-03-02"]
    assert rows(DAY - datetime.timedelta(days=1))[0][3:6] == (1, 1, 0)
    assert rows()[0][3:6] == (1, 0, 1)


def test_days_that_cannot_be_computed_stay_as_they_are(late_show: Stream) -> None:
    before = compute()
    UserSession.objects.all().delete()
    for now in (DAWN - SECOND, DAWN + 24 * 24 * HOUR):
        with pytest.raises(DayNotKept, match="2026-03-01 cannot be computed"):
            statistics_compute(day=DAY, now=now)
    assert rows() == before
    assert statistics_compute(day=DAY, now=DAWN + 23 * 24 * HOUR).watch_minutes == 0


def due(now: datetime.datetime) -> list[str]:
    """The days that the job does at that moment."""
    made = statistics_keep(now=now)
    assert made is not None
    return [computed.day.isoformat() for computed in made]


def test_the_job_does_today_and_yesterday_after_midnight() -> None:
    assert due(DAWN + 10 * MINUTE) == ["2026-02-28", "2026-03-01"]
    assert due(DAWN + 40 * MINUTE) == ["2026-02-28", "2026-03-01"]
    assert due(DAWN + 70 * MINUTE) == ["2026-03-01"]


def test_a_day_that_was_going_on_is_done_again_when_it_is_over_however_late() -> None:
    assert due(DAWN + 23 * HOUR + 40 * MINUTE) == ["2026-03-01"]
    # No worker ran in the hour after midnight.
    assert due(DAWN + 27 * HOUR) == ["2026-03-01", "2026-03-02"]
    assert due(DAWN + 28 * HOUR) == ["2026-03-02"]


def test_a_clock_that_is_set_back_over_midnight_does_no_harm(late_show: Stream) -> None:
    assert due(DAWN + 24 * HOUR + 10 * MINUTE) == ["2026-03-01", "2026-03-02"]
    expected = rows()
    assert due(DAWN + 24 * HOUR - 20 * MINUTE) == ["2026-03-01"]
    assert due(DAWN + 24 * HOUR + 10 * MINUTE) == ["2026-03-01", "2026-03-02"]
    assert rows() == expected


def test_a_day_touched_while_it_was_computed_is_looked_at_once_more() -> None:
    now_ms = int(NOW.timestamp() * 1000)
    redis.run_now([store.days_touch([DAY], now_ms - 5_000)])
    assert due(NOW) == ["2026-03-01", "2026-03-02"]
    assert due(NOW + 30 * MINUTE) == ["2026-03-01", "2026-03-02"]
    assert due(NOW + 60 * MINUTE) == ["2026-03-02"]


def test_days_touched_too_late_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    redis.run_now([store.days_touch([DAY - datetime.timedelta(days=200)], 1)])
    assert due(NOW)[0] == "2026-02-07"
    assert "sessions came of 2025-08-13" in caplog.text
    assert due(NOW + HOUR) == ["2026-03-02"]


def test_visitors_not_seen_for_long_are_forgotten(settings: Any) -> None:
    for number, days in enumerate((0, 89, 90, 91, 400)):
        last_day = DAY - datetime.timedelta(days=days)
        Visitor.objects.create(broadcaster_id=1, viewer_id=f"u{number}", first_at=DAWN, last_day=last_day)
    assert visitors_expire(today=DAY) == 2
    assert list(Visitor.objects.order_by("viewer_id").values_list("viewer_id", flat=True)) == ["u0", "u1", "u2"]
    settings.VISITORS_KEPT_DAYS = 5  # not before their sessions go
    assert visitors_expire(today=DAY) == 2
    settings.VISITORS_KEPT_DAYS = 0
    assert visitors_expire(today=DAY + datetime.timedelta(days=999)) == 0


def test_a_stream_that_went_on_for_months_is_found_on_each_of_its_days() -> None:
    stream = stream_make("for ever", -60 * 24 * HOUR, 5 * HOUR, peak=4)
    assert [(row[0], row[7]) for row in compute()] == [(stream.pk, 300)]
    assert [(row[0], row[7]) for row in compute(DAY - datetime.timedelta(days=9))] == [(stream.pk, 1440)]
    assert compute(DAY + datetime.timedelta(days=1)) == []


def test_the_task_and_the_command_do_the_same(late_show: Stream) -> None:
    daily()
    out = io.StringIO()
    call_command("daily_statistics", stdout=out)
    today = datetime.datetime.now(SEOUL).date()
    assert out.getvalue().splitlines()[-1] == f"{today}: 0 stream(s), 0 minute(s) watched"
    stream = stream_make("now", today - DAY, None, owner="now")
    out = io.StringIO()
    call_command("daily_statistics", str(today), stdout=out)
    assert out.getvalue() == f"{today}: 1 stream(s), 0 minute(s) watched\n"
    assert [row[0] for row in rows(today)] == [stream.pk]
    with pytest.raises(CommandError, match="cannot be computed"):
        call_command("daily_statistics", "2001-01-01")
    with pytest.raises(CommandError, match="is no day"):
        call_command("daily_statistics", "yesterday")
