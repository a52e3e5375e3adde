"""Snapshots added up by the database: a chart of two months moves hundreds of rows instead of twenty thousand."""

import datetime
from collections.abc import Sequence

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from .models import ViewerHistory
from .series import Bucket


def buckets_read(
    stream_ids: Sequence[int], since: datetime.datetime, until: datetime.datetime, *, unit_s: int, shift_s: int
) -> list[Bucket]:
    """Buckets with snapshots of these streams, oldest first. Streams that were live at one moment are added together.

    The table's key gives each stream's rows of the range, and none besides; partitions of other months stay closed.
    """
    if not stream_ids:
        return []
    connection = connections[router.db_for_read(ViewerHistory)]
    table, current, at = (
        connection.ops.quote_name(name) for name in (ViewerHistory._meta.db_table, "current", "captured_at")
    )
    number = _number(connection, at, unit_s=int(unit_s), shift_s=int(shift_s))
    marks = ", ".join(["%s"] * len(stream_ids))
    chosen = f"FROM {table} WHERE stream_id IN ({marks}) AND {at} >= %s AND {at} < %s"
    if len(stream_ids) > 1:
        chosen = f"FROM (SELECT {at}, SUM({current}) AS {current} {chosen} GROUP BY {at}) moments"
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (since, until)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {number} AS bucket, COUNT(*), SUM({current}), MAX({current}) {chosen}"
            " GROUP BY bucket ORDER BY bucket",
            [*stream_ids, *moments],
        )
        return [Bucket(*map(int, row)) for row in cursor.fetchall()]


def _number(connection: BaseDatabaseWrapper, at: str, *, unit_s: int, shift_s: int) -> str:
    """SQL of `series.bucket_number`. Asks for no time zone: moments are stored in UTC, whatever the server's own is."""
    if connection.vendor == "mysql":
        return f"((TIMESTAMPDIFF(SECOND, '1970-01-01', {at}) + {shift_s}) DIV {unit_s})"
    return f"((CAST(strftime('%%s', {at}) AS INTEGER) + {shift_s}) / {unit_s})"
