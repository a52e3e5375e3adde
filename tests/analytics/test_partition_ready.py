"""The tables of the past can be partitioned by time as they stand. MariaDB only: SQLite has no partitions."""

import datetime
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, OperationalError, connection

from apps.analytics.models import ViewerHistory
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts

MARCH = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
APRIL = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)

pytestmark = pytest.mark.django_db(transaction=True)


def alter(table: str, change: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} {change}")


@pytest.fixture
def partitioned(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """A table partitioned by a column, with one partition that ends with March 2026."""
    assert connection.vendor == "mysql", "this test is about MariaDB; run it with --database=mariadb"
    table, column = request.param
    alter(table, f"PARTITION BY RANGE COLUMNS({column}) (PARTITION p202603 VALUES LESS THAN ('2026-04-01'))")
    yield table
    alter(table, "REMOVE PARTITIONING")


@pytest.mark.parametrize(
    "partitioned",
    [("viewer_history", "captured_at"), ("user_sessions", "joined_at"), ("daily_statistics", "day")],
    indirect=True,
)
def test_a_table_takes_partitions_without_being_rebuilt_by_hand(partitioned: str) -> None:
    alter(partitioned, "ADD PARTITION (PARTITION p202604 VALUES LESS THAN ('2026-05-01'))")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT partition_name FROM information_schema.partitions"
            " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY 1",
            [partitioned],
        )
        assert cursor.fetchall() == (("p202603",), ("p202604",))


@pytest.mark.parametrize("partitioned", [("viewer_history", "captured_at")], indirect=True)
def test_a_row_without_a_partition_is_an_error_and_not_lost_in_silence(partitioned: str) -> None:
    history_append(captured_at=MARCH, rows=[LiveCounts(7, 1, 2, 3, 4)])
    with pytest.raises((OperationalError, IntegrityError), match="Table has no partition for value"):
        history_append(captured_at=APRIL, rows=[LiveCounts(7, 1, 2, 3, 4)])
    assert list(ViewerHistory.objects.values_list("stream_id", "captured_at")) == [(7, MARCH)]
