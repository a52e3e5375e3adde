"""Partitions when something is in the way: another job, a long reader, a table that is not as it should be."""

import datetime
from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from apps.analytics import partition_services as services
from apps.analytics import partition_sql as sql
from apps.analytics.models import UserSession, ViewerHistory
from apps.analytics.partitions import CATCH_ALL
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts
from tests.analytics.house import at_once
from tests.analytics.partitioning import NOW, partition_anew

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


def metric(gauge: object, table: str) -> float:
    return gauge.labels(table)._value.get()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("partitioned")
def test_two_at_once_without_the_lock_collide() -> None:
    """The race is real: both plan, then both do it."""
    layout = sql.layouts()[1]

    def unguarded(meet: Callable[[], object]) -> bool:
        state = services.table_state(layout, now=NOW + DAY)
        meet()
        for step in state.steps:
            sql.step_execute(connection, layout, step)
        return True

    results = at_once(unguarded)
    assert sorted(type(result).__name__ for result in results) == ["OperationalError", "bool"]


@pytest.mark.usefixtures("partitioned")
def test_two_at_once_with_the_lock_do_it_once() -> None:
    def guarded(meet: Callable[[], object]) -> int:
        meet()
        return sum(len(one.steps) for one in services.partitions_apply(now=NOW + DAY, wait_s=20))

    assert sorted(at_once(guarded), key=str) == [0, 1]
    assert names("user_sessions")[-2] == "p20250318"


@pytest.mark.usefixtures("partitioned")
def test_who_finds_the_lock_taken_leaves_it_to_the_other() -> None:
    def busy(meet: Callable[[], object]) -> str:
        try:
            with sql.locked(connection, wait_s=0):
                meet()  # the other one is refused before this one lets go
                meet()
        except sql.PartitionsBusy:
            meet()
            services.past_keep(now=NOW + DAY)  # the job's own way: no error, nothing done
            meet()
            return "busy"
        return "held"

    assert sorted(map(str, at_once(busy))) == ["busy", "held"]
    assert names("user_sessions")[-2] == "p20250317"


@pytest.mark.usefixtures("partitioned")
def test_the_lock_is_free_again_after_an_error() -> None:
    with pytest.raises(RuntimeError), sql.locked(connection, wait_s=0):
        raise RuntimeError
    assert [one.steps for one in services.partitions_apply(now=NOW)] == [[], [], []]


@pytest.mark.usefixtures("partitioned")
def test_an_alter_gives_up_rather_than_hold_up_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "ALTER_PATIENCE_S", 1)

    roles = iter(("read on", "gave up"))

    def run(meet: Callable[[], object]) -> str:
        role = next(roles)
        if role == "read on":
            with transaction.atomic():
                assert UserSession.objects.count() == 0
                meet()
                meet()
        else:
            meet()
            with pytest.raises(services.PartitionsFailed, match="Lock wait timeout"):
                services.partitions_apply(now=NOW + DAY)
            meet()
        return role

    assert sorted(map(str, at_once(run))) == ["gave up", "read on"]
    assert names("user_sessions")[-2] == "p20250317"


@pytest.mark.usefixtures("partitioned")
def test_a_table_without_partitions_gets_them_with_its_rows_where_they_belong() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE viewer_history REMOVE PARTITIONING")
    moments = [NOW - 90 * DAY, NOW - 40 * DAY, NOW]
    for moment in moments:
        append(moment)
    services.partitions_apply(now=NOW)
    assert names("viewer_history") == [
        f"p{month}" for month in (202412, 202501, 202502, 202503, 202504, 202505, 202506)
    ] + [CATCH_ALL]
    assert [in_partition("viewer_history", f"p{month}") for month in (202412, 202501, 202503)] == [1, 1, 1]
    assert list(ViewerHistory.objects.order_by("captured_at").values_list("captured_at", flat=True)) == moments


@pytest.mark.usefixtures("partitioned")
def test_a_table_partitioned_in_another_way_is_left_alone_and_the_others_are_not() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE viewer_history PARTITION BY KEY (stream_id) PARTITIONS 2")
    with pytest.raises(services.PartitionsFailed, match="viewer_history is partitioned by KEY"):
        services.partitions_apply(now=NOW + DAY)
    assert len(names("user_sessions")) == 10


@pytest.mark.usefixtures("partitioned")
def test_without_a_catch_all_a_row_is_refused_aloud_and_the_job_makes_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE viewer_history DROP PARTITION {CATCH_ALL}")
    later = NOW + 200 * DAY
    with pytest.raises(DatabaseError, match="Table has no partition for value"):
        append(later)
    services.partitions_apply(now=NOW)
    append(later)
    assert in_partition("viewer_history", CATCH_ALL) == 1
