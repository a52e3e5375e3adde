"""Partitions on a real MariaDB: made by the migration, kept up by the job, pruned by queries, and nothing is lost."""

import datetime
import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import QuerySet

from apps.analytics import partition_services as services
from apps.analytics import partition_sql as sql
from apps.analytics.metrics import PARTITION_UNPLACED, PARTITIONS_READY_UNTIL
from apps.analytics.models import DailyStatistics, UserSession, ViewerHistory
from apps.analytics.partitions import CATCH_ALL, Drop
from apps.analytics.selectors import history_of_stream
from apps.analytics.services import history_append
from apps.analytics.tasks import partitions as partitions_task
from apps.audience.selectors import LiveCounts
from apps.audience.sessions import SEOUL
from tests.analytics.house import at_once
from tests.analytics.partitioning import NOW, partition_anew, session_make

DAY = datetime.timedelta(days=1)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def partitioned(transactional_db: None) -> Iterator[None]:
    """The three tables as they were made at `NOW`; afterwards they are again as the migration makes them."""
    assert connection.vendor == "mysql", "these tests are about MariaDB; run them with --database=mariadb"
    partition_anew(NOW)
    yield
    partition_anew(datetime.datetime.now(datetime.UTC))


def names(table: str) -> list[str]:
    (layout,) = (one for one in sql.layouts() if one.table == table)
    return [one.name for one in sql.partitions_read(connection, layout) or ()]


def append(moment: datetime.datetime, stream_id: int = 7) -> None:
    history_append(captured_at=moment, rows=[LiveCounts(stream_id, 1, 2, 3, 4)])


def in_partition(table: str, partition: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table} PARTITION ({partition})")  # noqa: S608
        return cursor.fetchone()[0]


def partitions_of(query: QuerySet) -> str:
    """The partitions that the server would read for this query."""
    text, parameters = query.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN PARTITIONS {text}", parameters)
        return cursor.fetchone()[3]


def metric(gauge: object, table: str) -> float:
    return gauge.labels(table)._value.get()  # type: ignore[attr-defined]


def test_the_migration_has_partitioned_all_three() -> None:
    now = datetime.datetime.now(SEOUL)
    for table, pattern, count in (
        ("viewer_history", "p%Y%m", 4),
        ("user_sessions", "p%Y%m%d", 8),
        ("daily_statistics", "p%Y", 3),
    ):
        found = names(table)
        assert len(found) == count + 1
        assert found[-1] == CATCH_ALL
        # midnight may have passed since the migration
        assert found[0] in {now.strftime(pattern), (now - DAY).strftime(pattern)}


@pytest.mark.usefixtures("partitioned")
def test_the_job_makes_what_is_missing_and_a_second_time_nothing() -> None:
    states = services.partitions_apply(now=NOW + DAY)
    assert [(one.layout.table, len(one.steps)) for one in states] == [
        ("viewer_history", 0),
        ("user_sessions", 1),
        ("daily_statistics", 0),
    ]
    assert names("user_sessions") == [f"p202503{day}" for day in range(10, 19)] + [CATCH_ALL]
    assert metric(PARTITIONS_READY_UNTIL, "user_sessions") == (NOW.replace(day=19, hour=0)).timestamp()
    assert [one.steps for one in services.partitions_apply(now=NOW + DAY)] == [[], [], []]


@pytest.mark.usefixtures("partitioned")
def test_tomorrow_is_missing_nothing_is_lost_and_somebody_hears_of_it(caplog: pytest.LogCaptureFixture) -> None:
    tomorrow = NOW + 20 * DAY
    midnight = tomorrow.replace(hour=0)
    session_make(midnight - datetime.timedelta(microseconds=1), "before")
    session_make(midnight, "after")
    assert in_partition("user_sessions", CATCH_ALL) == 2
    services.partitions_apply(now=tomorrow)
    assert metric(PARTITION_UNPLACED, "user_sessions") == 2
    assert "2 row(s) of user_sessions came when there was no partition" in caplog.text
    assert (in_partition("user_sessions", "p20250329"), in_partition("user_sessions", "p20250330")) == (1, 1)
    assert in_partition("user_sessions", CATCH_ALL) == 0
    assert set(UserSession.objects.values_list("session_id", "joined_at")) == {
        ("before", midnight - datetime.timedelta(microseconds=1)),
        ("after", midnight),
    }
    services.partitions_apply(now=tomorrow)
    assert metric(PARTITION_UNPLACED, "user_sessions") == 0


@pytest.mark.usefixtures("partitioned")
def test_nothing_is_lost_that_is_written_while_the_catch_all_is_split() -> None:
    """Rows of 20 days for which there are no partitions, while a job splits them off a day at a time."""
    rows, days = 400, 20
    roles = iter(("write", "split"))

    def run(meet: Callable[[], object]) -> str:
        role = next(roles)
        meet()
        if role == "write":
            for number in range(rows):
                session_make(NOW + (8 + number % days) * DAY, f"s{number}")
        else:
            for day in range(1, days + 1):
                services.partitions_apply(now=NOW + day * DAY)
        return role

    assert sorted(map(str, at_once(run))) == ["split", "write"]
    assert UserSession.objects.count() == rows
    assert in_partition("user_sessions", CATCH_ALL) == 0
    assert [in_partition("user_sessions", f"p{NOW + (8 + day) * DAY:%Y%m%d}") for day in range(days)] == [20] * days


@pytest.mark.usefixtures("partitioned")
def test_what_is_older_than_the_retention_goes_and_nothing_younger(settings) -> None:
    settings.SESSIONS_KEPT_DAYS = 2
    for days in range(5):
        session_make(NOW + days * DAY, f"s{days}")
    append(NOW)
    services.partitions_apply(now=NOW + 4 * DAY)
    assert names("user_sessions")[:3] == ["p20250312", "p20250313", "p20250314"]
    assert set(UserSession.objects.values_list("session_id", flat=True)) == {"s2", "s3", "s4"}
    assert ViewerHistory.objects.count() == 1


@pytest.mark.usefixtures("partitioned")
def test_a_worker_whose_clock_ran_ahead_drops_nothing() -> None:
    today = datetime.datetime.now(SEOUL)
    session_make(today)
    services.partitions_apply(now=today)
    with pytest.raises(services.PartitionsFailed, match=r"user_sessions: .* is to be kept"):
        services.partitions_apply(now=today + 60 * DAY)
    assert UserSession.objects.count() == 1


@pytest.mark.usefixtures("partitioned")
@pytest.mark.parametrize("name", ["p20250310", "p20250317", CATCH_ALL])
def test_dropping_what_must_be_kept_is_refused(name: str) -> None:
    layout = sql.layouts()[1]
    before = names("user_sessions")
    with pytest.raises(sql.PartitionTooYoung):
        sql.step_execute(connection, layout, Drop((name,), layout.period.start(NOW)))
    assert names("user_sessions") == before


@pytest.mark.usefixtures("partitioned")
def test_for_ever_is_never_dropped_whatever_a_plan_says(settings) -> None:
    layout = sql.layouts()[2]
    with pytest.raises(sql.PartitionTooYoung):
        sql.step_execute(connection, layout, Drop(("p2025",), NOW + 10_000 * DAY))


@pytest.mark.usefixtures("partitioned")
def test_a_day_of_a_stream_is_read_from_one_partition() -> None:
    midnight = NOW.replace(hour=0)
    day = history_of_stream(stream_id=7, since=midnight, until=midnight + DAY)
    assert partitions_of(day) == "p202503"
    month = history_of_stream(stream_id=7, since=NOW.replace(day=1, hour=0), until=NOW.replace(month=4, day=1, hour=0))
    assert partitions_of(month) == "p202503"
    two = history_of_stream(stream_id=7, since=midnight, until=NOW.replace(month=4, day=2))
    assert partitions_of(two) == "p202503,p202504"
    sessions = UserSession.objects.filter(joined_at__gte=midnight + DAY, joined_at__lt=midnight + 2 * DAY)
    assert partitions_of(sessions) == "p20250311"
    year = DailyStatistics.objects.filter(day__range=(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31)))
    assert partitions_of(year) == "p2026"
    assert partitions_of(ViewerHistory.objects.filter(stream_id=7)).count(",") == 4


@pytest.mark.usefixtures("partitioned")
def test_inside_a_transaction_it_refuses() -> None:
    with transaction.atomic(), pytest.raises(transaction.TransactionManagementError):
        services.partitions_apply(now=NOW)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("partitions", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("partitioned")
def test_the_command_shows_plans_and_applies() -> None:
    now = datetime.datetime.now(SEOUL)
    shown = command("show").splitlines()
    assert shown[0] == "viewer_history: by month, 3 ahead, 24 kept"
    assert shown[1].split()[:3] == ["p202503", "before", "2025-04-01"]
    assert shown[5].endswith("catches the rest")
    assert "daily_statistics: by year, 2 ahead, kept for ever" in shown
    planned = command("plan")
    assert command("apply", "--dry-run") == planned
    assert f"`{now:p%Y%m%d}` VALUES LESS THAN ('{now.date()} 15:00:00')" in planned
    assert len(names("user_sessions")) == 9
    assert command("apply") == planned
    assert names("user_sessions")[-9:-7] == [f"{now:p%Y%m%d}", f"{now + DAY:p%Y%m%d}"]
    assert "user_sessions is as it should be" in command("plan")
    assert [line for line in command("show").splitlines() if line.endswith("  now")]


@pytest.mark.usefixtures("partitioned")
def test_the_command_makes_room_for_an_import_of_old_history() -> None:
    start = datetime.datetime.now(SEOUL).replace(day=15) - 300 * DAY
    partition_anew(datetime.datetime.now(SEOUL))
    command("apply", "--since", f"{start:%Y-%m-%d}")
    append(start)
    assert in_partition("viewer_history", f"{start:p%Y%m}") == 1
    assert names("viewer_history")[0] == f"{start:p%Y%m}"


@pytest.mark.usefixtures("partitioned")
def test_the_command_says_what_is_in_the_way() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE daily_statistics PARTITION BY KEY (stream_id) PARTITIONS 2")
    with pytest.raises(CommandError, match="daily_statistics is partitioned by KEY"):
        command("plan")
    with pytest.raises(CommandError, match="a day as YYYY-MM-DD"):
        command("plan", "--since", "yesterday")


@pytest.mark.usefixtures("partitioned")
def test_the_migration_can_be_undone_and_done_again() -> None:
    append(NOW)
    call_command("migrate", "analytics", "0001", verbosity=0)
    for layout in sql.layouts():
        assert sql.partitions_read(connection, layout) is None
    call_command("migrate", verbosity=0)
    assert names("viewer_history")[-1] == CATCH_ALL
    assert ViewerHistory.objects.count() == 1


@pytest.mark.usefixtures("partitioned")
def test_the_task_does_it_for_now() -> None:
    partitions_task()
    assert f"{datetime.datetime.now(SEOUL) + 6 * DAY:p%Y%m%d}" in names("user_sessions")


def test_a_table_that_is_not_there_is_said_so() -> None:
    with pytest.raises(sql.PartitionsForeign, match="no table nowhere"):
        sql.partitions_read(connection, replace(sql.layouts()[0], table="nowhere"))
