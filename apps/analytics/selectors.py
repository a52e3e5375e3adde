"""Every read of the past."""

import datetime

from django.db.models import QuerySet

from .models import ViewerHistory
from .readers import reader


def history_of_stream(*, stream_id: int, since: datetime.datetime, until: datetime.datetime) -> QuerySet[ViewerHistory]:
    """One stream's snapshots from `since` up to, but not including, `until`, oldest first."""
    rows = ViewerHistory.objects.using(reader("history"))
    return rows.filter(stream_id=stream_id, captured_at__gte=since, captured_at__lt=until).order_by("captured_at")
