"""A lost deadlock on MariaDB: real transactions that wait for each other. SQLite has one writer and hence none."""

import datetime
import queue
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.analytics.models import ViewerHistory
from apps.audience.models import CurrentViewers
from apps.realtime.bulk import bulk_upsert
from tests.services.waiting import eventually

NOON = datetime.datetime(2026, 3, 1, 3, 0, tzinfo=datetime.UTC)

pytestmark = pytest.mark.django_db(transaction=True)


def _write(current: int, writers: "queue.Queue[int]", *, in_transaction: bool) -> None:
    """Set streams 1 and 2, in this order, in one statement; says first which connection does."""
    rows = [
        {"stream_id": number, "current": current, "peak": 1, "total": 1, "unique_today": 1, "captured_at": NOON}
        for number in (1, 2)
    ]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            writers.put(cursor.fetchone()[0])
        if in_transaction:
            with transaction.atomic():
                bulk_upsert(CurrentViewers, rows, update=["current"])
        else:
            bulk_upsert(CurrentViewers, rows, update=["current"])
    finally:
        connections.close_all()


def _holds_one_and_waits(writer: int) -> bool:
    # By the connection: for a tenth of a second the server may still show the transactions of the test before.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.innodb_trx"
            " WHERE trx_state = 'LOCK WAIT' AND trx_rows_modified = 1 AND trx_mysql_thread_id = %s",
            [writer],
        )
        return bool(cursor.fetchone()[0])


def _deadlock(pool: ThreadPoolExecutor, *, in_transaction: bool) -> "Future[None]":
    """Hold stream 2, let the writer take 1 and wait for 2, then ask for 1: the writer, who did less, is the victim."""
    assert connection.vendor == "mysql", "this test is about MariaDB; run it with --database=mariadb"
    for number in (1, 2):
        CurrentViewers.objects.update_or_create(stream_id=number, defaults={"captured_at": NOON})
    with transaction.atomic():
        ViewerHistory.objects.bulk_create(
            [
                ViewerHistory(stream_id=number, captured_at=NOON, current=1, peak=1, total=1, unique_today=1)
                for number in range(500)
            ]
        )
        CurrentViewers.objects.filter(stream_id=2).update(current=50)
        writers: queue.Queue[int] = queue.Queue()
        written = pool.submit(_write, 7, writers, in_transaction=in_transaction)
        writer = writers.get(timeout=20)
        # The server renews this table only for those who have not read it for a tenth of a second.
        eventually(lambda: _holds_one_and_waits(writer), every=0.2)
        CurrentViewers.objects.filter(stream_id=1).update(current=50)
    return written


def test_a_statement_that_loses_a_deadlock_is_sent_again() -> None:
    with ThreadPoolExecutor(1) as pool:
        _deadlock(pool, in_transaction=False).result(timeout=20)
    assert list(CurrentViewers.objects.order_by("stream_id").values_list("stream_id", "current")) == [(1, 7), (2, 7)]


def test_inside_a_transaction_the_deadlock_is_the_callers_to_repeat() -> None:
    with ThreadPoolExecutor(1) as pool:
        written = _deadlock(pool, in_transaction=True)
        with pytest.raises(OperationalError, match="Deadlock"):
            written.result(timeout=20)
    assert list(CurrentViewers.objects.order_by("stream_id").values_list("stream_id", "current")) == [(1, 50), (2, 50)]
