"""The SQL of partitions, on MySQL and MariaDB; and retention row by row on SQLite, which has no partitions.

RANGE COLUMNS on the column itself: of the ways that both servers know, the only one that takes a DATETIME(6), ends
partitions at any moment (midnight in Seoul is 15:00 UTC) and is pruned by a plain comparison. UNIX_TIMESTAMP() takes
TIMESTAMP columns only, and TO_DAYS() knows no hours.
"""

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from apps.audience.sessions import SEOUL

from .models import DailyStatistics, UserSession, ViewerHistory
from .partitions import Append, Create, Drop, Layout, Partition, Period, Split, Step

# An ALTER waits behind every long reader of its table, and everybody else waits behind the ALTER: it gives up soon.
ALTER_PATIENCE_S = 10
# Rows deleted at once on SQLite, where a writer holds up all others.
ROWS_PER_DELETE = 2_000


class PartitionsBusy(Exception):
    """Somebody else is at the partitions now."""


class PartitionsForeign(Exception):
    """The table is partitioned in a way that we do not know; nothing was changed."""


class PartitionTooYoung(Exception):
    """A partition was to be dropped that holds what must be kept; nothing was dropped."""


def layouts() -> tuple[Layout, ...]:
    """How the tables of the past are partitioned, with the retention that the settings ask for."""
    return (
        Layout(ViewerHistory._meta.db_table, "captured_at", Period.MONTH, 3, settings.HISTORY_KEPT_MONTHS),
        Layout(UserSession._meta.db_table, "joined_at", Period.DAY, 7, settings.SESSIONS_KEPT_DAYS),
        Layout(DailyStatistics._meta.db_table, "day", Period.YEAR, 2, settings.STATISTICS_KEPT_YEARS, holds_days=True),
    )


def has_partitions(connection: BaseDatabaseWrapper) -> bool:
    """Whether this database can partition tables."""
    return connection.vendor == "mysql"


@contextmanager
def locked(connection: BaseDatabaseWrapper, *, wait_s: int) -> Iterator[None]:
    """Hold the one lock that all who change partitions take; PartitionsBusy if it is not free within `wait_s`.

    The server gives it back when the connection ends, however that comes about.
    """
    if connection.in_atomic_block:
        raise TransactionManagementError("Partitions cannot be changed inside a transaction: ALTER TABLE commits it.")
    # The lock is the whole server's, its name has 64 characters at most.
    database = str(connection.settings_dict["NAME"]).encode()
    name = f"fullhouse.partitions.{hashlib.blake2b(database, digest_size=8).hexdigest()}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, wait_s])
        if cursor.fetchone()[0] != 1:
            raise PartitionsBusy("Another job is at the partitions.")
        cursor.execute("SELECT @@SESSION.lock_wait_timeout")
        patience = cursor.fetchone()[0]
        cursor.execute("SET SESSION lock_wait_timeout = %s", [ALTER_PATIENCE_S])
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION lock_wait_timeout = %s", [patience])
                cursor.execute("SELECT RELEASE_LOCK(%s)", [name])
        except DatabaseError:
            connection.close()


def partitions_read(connection: BaseDatabaseWrapper, layout: Layout) -> list[Partition] | None:
    """The table's partitions in order, None if it has none; PartitionsForeign if they are not by our column."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT partition_name, partition_method, partition_expression, subpartition_name, partition_description,"
            " table_rows, data_length + index_length FROM information_schema.partitions"
            " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY partition_ordinal_position",
            [layout.table],
        )
        rows = cursor.fetchall()
    if not rows:
        raise PartitionsForeign(f"There is no table {layout.table}.")
    if rows[0][0] is None:
        return None
    _, method, expression, sub, *_ = rows[0]
    if method != "RANGE COLUMNS" or str(expression).replace("`", "") != layout.column or sub is not None:
        raise PartitionsForeign(f"{layout.table} is partitioned by {method} ({expression}), not by {layout.column}.")
    return [
        Partition(name, None if text == "MAXVALUE" else _end_read(connection, layout, text), int(count), int(size))
        for name, _, _, _, text, count, size in rows
    ]


def rows_unplaced(connection: BaseDatabaseWrapper, layout: Layout, existing: Sequence[Partition] | None) -> int:
    """Rows in the catch-all: they came when their own partition was not there."""
    if not existing or existing[-1].until is not None:
        return 0
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {quote(layout.table)} PARTITION ({quote(existing[-1].name)})")  # noqa: S608
        return int(cursor.fetchone()[0])


def oldest(connection: BaseDatabaseWrapper, layout: Layout) -> datetime.datetime | None:
    """The moment of the oldest row; reads a whole index if none begins with the column."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT MIN({quote(layout.column)}) FROM {quote(layout.table)}")  # noqa: S608
        (found,) = cursor.fetchone()
    if found is None:
        return None
    if not layout.holds_days:
        return timezone.make_aware(found, connection.timezone)
    return datetime.datetime.combine(found, datetime.time(), tzinfo=SEOUL)


def statement(connection: BaseDatabaseWrapper, layout: Layout, step: Step) -> str:
    """The ALTER TABLE of one step. Names are ours or the database's own, quoted; values are moments."""
    quote = connection.ops.quote_name

    def definitions(partitions: Sequence[Partition]) -> str:
        return ", ".join(
            f"PARTITION {quote(partition.name)} VALUES LESS THAN"
            f" ({'MAXVALUE' if partition.until is None else _literal(connection, layout, partition.until)})"
            for partition in partitions
        )

    alter = f"ALTER TABLE {quote(layout.table)}"
    match step:
        case Create(partitions):
            return f"{alter} PARTITION BY RANGE COLUMNS ({quote(layout.column)}) ({definitions(partitions)})"
        case Split(name, into):
            return f"{alter} REORGANIZE PARTITION {quote(name)} INTO ({definitions(into)})"
        case Append(partitions):
            return f"{alter} ADD PARTITION ({definitions(partitions)})"
        case Drop(names, _):
            return f"{alter} DROP PARTITION {', '.join(quote(name) for name in names)}"


def step_execute(connection: BaseDatabaseWrapper, layout: Layout, step: Step) -> None:
    """Do one step. A drop is looked at once more: see `drop_check`."""
    if isinstance(step, Drop):
        drop_check(connection, layout, step)
    with connection.cursor() as cursor:
        cursor.execute(statement(connection, layout, step))


def drop_check(connection: BaseDatabaseWrapper, layout: Layout, step: Drop) -> None:
    """PartitionTooYoung unless every partition ends before what is kept, by our clock and by the database's.

    Looked up afresh: a plan may be old, and a machine whose clock has run ahead must not empty the tables.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP()")
        its_now = cursor.fetchone()[0].replace(tzinfo=datetime.UTC)
    keep_from = layout.keep_from(its_now)
    ends = {partition.name: partition.until for partition in partitions_read(connection, layout) or ()}
    for name in step.names:
        until = ends.get(name)
        if keep_from is None or until is None or until > min(step.before, keep_from):
            raise PartitionTooYoung(f"{layout.table}: {name} ends {until}; all from {keep_from} on is to be kept.")


def rows_expire(connection: BaseDatabaseWrapper, layout: Layout, before: datetime.datetime) -> int:
    """SQLite: delete the rows before this moment, a few at a time so that other writers get their turn; how many."""
    quote = connection.ops.quote_name
    table, column = quote(layout.table), quote(layout.column)
    ops = connection.ops
    bound = before.astimezone(SEOUL).date().isoformat() if layout.holds_days else ops.adapt_datetimefield_value(before)
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {column} < %s LIMIT %s)",  # noqa: S608
                [bound, ROWS_PER_DELETE],
            )
            deleted += cursor.rowcount
            if cursor.rowcount < ROWS_PER_DELETE:
                return deleted


def _literal(connection: BaseDatabaseWrapper, layout: Layout, moment: datetime.datetime) -> str:
    if layout.holds_days:
        return f"'{moment.astimezone(SEOUL).date().isoformat()}'"
    return f"'{connection.ops.adapt_datetimefield_value(moment)}'"


def _end_read(connection: BaseDatabaseWrapper, layout: Layout, text: str) -> datetime.datetime:
    """The end of a partition as information_schema writes it: a quoted date, with or without a time."""
    naive = datetime.datetime.fromisoformat(text.strip("'"))
    return naive.replace(tzinfo=SEOUL) if layout.holds_days else timezone.make_aware(naive, connection.timezone)
