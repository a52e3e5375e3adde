"""Reads of the past."""

import datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.analytics.models import DailyStatistics, LeaveReason, UserSession, ViewerHistory
from apps.analytics.selectors import history_of_stream
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts

START = datetime.datetime(2026, 3, 1, 3, 0, tzinfo=datetime.UTC)
STEP = datetime.timedelta(minutes=5)

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_history_of_one_stream_between_two_times(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(4):
        rows = [LiveCounts(7, number, 10, 20, 30), LiveCounts(8, 99, 99, 99, 99)]
        history_append(captured_at=START + number * STEP, rows=rows)
    with django_assert_num_queries(1):
        found = list(history_of_stream(stream_id=7, since=START + STEP, until=START + 3 * STEP))
    assert [(row.stream_id, row.captured_at, row.current, row.peak, row.total, row.unique_today) for row in found] == [
        (7, START + STEP, 1, 10, 20, 30),
        (7, START + 2 * STEP, 2, 10, 20, 30),
    ]


def test_history_of_a_stream_without_any_is_empty() -> None:
    assert list(history_of_stream(stream_id=7, since=START, until=START + STEP)) == []


def test_rows_are_found_by_their_composite_keys_and_say_what_they_are() -> None:
    ViewerHistory.objects.create(stream_id=7, captured_at=START, current=1, peak=2, total=3, unique_today=4)
    UserSession.objects.create(
        session_id="ab" * 16,
        joined_at=START,
        left_at=START + STEP,
        seconds=300,
        viewer_id="u1",
        stream_id=7,
        reason=LeaveReason.LEFT,
    )
    DailyStatistics.objects.create(
        day=START.date(),
        stream_id=7,
        broadcaster_id=3,
        peak_viewers=2,
        average_viewers=1.5,
        unique_viewers=2,
        new_viewers=1,
        returning_viewers=1,
        watch_minutes=5,
        live_minutes=5,
    )
    assert str(ViewerHistory.objects.get(pk=(7, START))) == "stream 7 at 2026-03-01 03:00: 1"
    assert str(UserSession.objects.get(pk=("ab" * 16, START))) == "u1 on stream 7: 300 s"
    assert str(DailyStatistics.objects.get(pk=(START.date(), 7))) == "stream 7 on 2026-03-01"
