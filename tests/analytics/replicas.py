"""What tests of replicas read and write, and how they see which server was read."""

import datetime
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from apps.analytics import readers
from apps.analytics.metrics import READER_SKIPPED
from apps.analytics.models import ViewerHistory
from apps.analytics.readers import reads
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts

T = TypeVar("T")
MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
LAST = MARK + datetime.timedelta(hours=1)


@reads("history")
def streams_seen() -> tuple[str, list[int]]:
    """A selector: where it reads from, and the streams that it finds there."""
    rows = ViewerHistory.objects.order_by("stream_id")
    return rows.db, list(rows.values_list("stream_id", flat=True))


def append(stream_id: int) -> None:
    history_append(captured_at=MARK, rows=[LiveCounts(stream_id, 1, 2, 3, 4)])


def apart(fn: Callable[[], T]) -> T:
    """Run as somebody else would, who has written nothing."""
    context = copy_context()
    context.run(readers._wrote_at.set, None)
    return context.run(fn)


def skipped(reason: str, purpose: str = "history") -> float:
    return READER_SKIPPED.labels(purpose, reason)._value.get()
