"""What is older than the retention goes, with partitions or without."""

import datetime
import io
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from apps.analytics import partition_services as services
from apps.analytics import partition_sql as sql
from apps.analytics.models import DailyStatistics, UserSession, ViewerHistory
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts
from apps.audience.sessions import SEOUL
from tests.analytics.partitioning import NOW, partition_anew, session_make

DAY = datetime.timedelta(days=1)

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def new_house(transactional_db: None) -> Iterator[None]:
    """Tables as they were made at `NOW`."""
    if connection.vendor == "mysql":
        partition_anew(NOW)
    yield
    if connection.vendor == "mysql":
        partition_anew(datetime.datetime.now(datetime.UTC))


@pytest.mark.usefixtures("new_house")
def test_the_job_drops_what_is_old_and_keeps_whole_periods(settings) -> None:
    settings.HISTORY_KEPT_MONTHS, settings.SESSIONS_KEPT_DAYS, settings.STATISTICS_KEPT_YEARS = 1, 2, 0
    first_kept = (NOW + 2 * DAY).replace(hour=0)
    for session_id, moment in {
        "first day": NOW,
        "last moment": first_kept - datetime.timedelta(microseconds=1),
        "first moment": first_kept,
        "now": NOW + 4 * DAY,
    }.items():
        session_make(moment, session_id)
    for moment in (NOW, NOW + 40 * DAY):
        history_append(captured_at=moment, rows=[LiveCounts(7, 1, 2, 3, 4)])
    DailyStatistics.objects.create(
        day=datetime.date(2001, 1, 1),
        stream_id=7,
        broadcaster_id=1,
        peak_viewers=1,
        average_viewers=1,
        unique_viewers=1,
        new_viewers=1,
        returning_viewers=0,
        watch_minutes=1,
        live_minutes=1,
    )
    services.past_keep(now=NOW + 4 * DAY)
    assert set(UserSession.objects.values_list("session_id", flat=True)) == {"first moment", "now"}
    assert ViewerHistory.objects.count() == 2
    services.past_keep(now=datetime.datetime(2025, 5, 1, 0, 0, tzinfo=SEOUL))
    assert list(ViewerHistory.objects.values_list("captured_at", flat=True)) == [NOW + 40 * DAY]
    assert UserSession.objects.count() == 0
    assert DailyStatistics.objects.count() == 1


@pytest.mark.usefixtures("new_house")
def test_without_partitions_rows_go_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        assert services.partitions_possible()
        return
    monkeypatch.setattr(sql, "ROWS_PER_DELETE", 2)
    for number in range(5):
        session_make(NOW, f"old {number}")
    session_make(NOW + 40 * DAY, "young")
    assert services.rows_expire(now=NOW + 40 * DAY) == {"viewer_history": 0, "user_sessions": 5}
    assert services.rows_expire(now=NOW + 40 * DAY) == {"viewer_history": 0, "user_sessions": 0}
    assert UserSession.objects.get().session_id == "young"


@pytest.mark.usefixtures("new_house")
def test_the_command_says_what_this_database_can_do() -> None:
    session_make(NOW)
    out = io.StringIO()
    for arguments in (["show"], ["plan"], ["apply", "--dry-run"]):
        call_command("partitions", *arguments, stdout=out)
    if connection.vendor == "sqlite":
        assert out.getvalue() == "There is nothing to partition: SQLite has no partitions.\n" * 3
        assert UserSession.objects.count() == 1
        call_command("partitions", "apply", stdout=out)
        assert "user_sessions: 1 row(s) older than the retention deleted" in out.getvalue()
        assert UserSession.objects.count() == 0
    else:
        assert "viewer_history: by month" in out.getvalue()
        assert "ALTER TABLE `user_sessions` REORGANIZE PARTITION `pmax`" in out.getvalue()
        assert UserSession.objects.count() == 1
