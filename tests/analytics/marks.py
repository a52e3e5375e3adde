"""Marks of the clock and what history says of them, for tests of snapshots."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY

from apps.analytics.models import ViewerHistory
from apps.audience.services import audience_sweep, stream_close
from apps.streams.models import Stream
from apps.streams.services import stream_end

MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
STEP = datetime.timedelta(minutes=5)
SECOND = datetime.timedelta(seconds=1)

Row = tuple[int, datetime.datetime, int, int, int, int]


def history(*streams: Stream) -> list[Row]:
    """What history has of these streams, or of all."""
    rows = ViewerHistory.objects.order_by("captured_at", "stream_id")
    if streams:
        rows = rows.filter(stream_id__in=[stream.pk for stream in streams])
    return list(rows.values_list("stream_id", "captured_at", "current", "peak", "total", "unique_today"))


def sweep(at: datetime.datetime) -> None:
    """A sweep leaves a point in every trail."""
    audience_sweep(now_ms=int(at.timestamp() * 1000))


def end(stream: Stream, at: datetime.datetime) -> None:
    """The stream ends, and Redis hears of it."""
    assert stream_end(stream=stream) is True
    stream_close(stream_id=stream.pk, category_id=stream.category_id)
    Stream.objects.filter(pk=stream.pk).update(ended_at=at)


@contextmanager
def outcomes(**expected: int) -> Iterator[None]:
    """How many marks had which outcome meanwhile."""

    def read() -> dict[str, float]:
        return {
            name: REGISTRY.get_sample_value("fullhouse_snapshots_total", {"outcome": name}) or 0
            for name in ("taken", "recalled", "lost", "dropped")
        }

    before = read()
    yield
    assert {name: count - before[name] for name, count in read().items() if count != before[name]} == expected


def refused(step: str) -> float:
    return REGISTRY.get_sample_value("fullhouse_snapshots_refused_total", {"step": step}) or 0
