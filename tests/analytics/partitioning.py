"""Partitions at a moment of a test's choice."""

import datetime
from collections.abc import Callable

from django.db import connection

from apps.analytics import partition_sql as sql
from apps.analytics.models import UserSession
from apps.analytics.partitions import plan_make
from apps.audience.sessions import SEOUL

# In the past, because nothing is dropped that the database's own clock does not call old, too.
NOW = datetime.datetime(2025, 3, 10, 12, 0, tzinfo=SEOUL)


def partition_anew(now: datetime.datetime) -> None:
    """Give all three tables the partitions of a new table at this moment. MariaDB only."""
    with connection.cursor() as cursor:
        for layout in sql.layouts():
            (create,) = plan_make(layout, None, now=now)
            cursor.execute(sql.statement(connection, layout, create))


def session_make(joined_at: datetime.datetime, session_id: str = "s") -> UserSession:
    """A session that joined then."""
    return UserSession.objects.create(
        session_id=session_id,
        joined_at=joined_at,
        left_at=joined_at,
        seconds=0,
        viewer_id="u1",
        stream_id=7,
        reason="left",
    )


def rows_read(read: Callable[[], object]) -> int:
    """Rows that the server really walked over in an index."""

    def handler() -> int:
        with connection.cursor() as cursor:
            # Not read_key: groups are looked up in a table in memory, which counts as well.
            cursor.execute("SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_prev')")
            return sum(int(value) for _, value in cursor.fetchall())

    before = handler()
    read()
    return handler() - before
