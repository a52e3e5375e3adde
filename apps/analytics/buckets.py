"""Snapshots added up by the database: a chart of two months moves hundreds of rows instead of twenty thousand."""

import datetime
from collections.abc import Sequence

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Sum

from .models import ViewerHistory
from .readings import is_reading
from .series import Bucket


def buckets_read(
    stream_ids: Sequence[int], since: datetime.datetime, until: datetime.datetime, *, unit_s: int, shift_s: int
) -> list[Bucket]:
    """Buckets with readings of these streams, oldest first. Streams that were live at one moment are added together.

    The table's key gives each stream's rows of the range, and none besides; partitions of other months stay closed.
    """
    if not stream_ids:
        return []
    alias = router.db_for_read(ViewerHistory)
    connection = connections[alias]
    rows = ViewerHistory.objects.using(alias).order_by().filter(is_reading(), stream_id__in=stream_ids)
    read = rows.filter(captured_at__gte=since, captured_at__lt=until).values(at=F("captured_at"))
    moments = read.annotate(viewers=F("current") if len(stream_ids) == 1 else Sum("current"))
    chosen, values = moments.query.get_compiler(alias).as_sql()
    number = _number(connection, unit_s=int(unit_s), shift_s=int(shift_s))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {number} AS bucket, COUNT(*), SUM(viewers), MAX(viewers) FROM ({chosen}) moments"  # noqa: S608  Django's own SQL
            " GROUP BY bucket ORDER BY bucket",
            values,
        )
        return [Bucket(*map(int, row)) for row in cursor.fetchall()]


def _number(connection: BaseDatabaseWrapper, *, unit_s: int, shift_s: int) -> str:
    """SQL of `series.bucket_number`. Asks for no time zone: moments are stored in UTC, whatever the server's own is."""
    if connection.vendor == "mysql":
        return f"((TIMESTAMPDIFF(SECOND, '1970-01-01', at) + {shift_s}) DIV {unit_s})"
    return f"((CAST(strftime('%%s', at) AS INTEGER) + {shift_s}) / {unit_s})"
