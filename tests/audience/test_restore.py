"""A wiped Redis is given the last snapshot's peak and visits back, also for a stream that nobody watches just then."""

import datetime

import pytest

from apps.audience import selectors, services
from apps.audience.models import CurrentViewers
from apps.audience.selectors import LiveCounts
from apps.audience.store import Figures
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.models import Stream, StreamStatus
from tests.analytics.house import stream_make

pytestmark = [pytest.mark.database, pytest.mark.django_db]

CAPTURED = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)


def snapshot(stream_id: int, *, peak: int, total: int) -> None:
    row = LiveCounts(stream_id=stream_id, current=7, peak=peak, total=total, unique_today=9)
    services.current_viewers_upsert(rows=[row], captured_at=CAPTURED)


def test_rebuilding_the_catalogue_brings_peak_and_visits_back() -> None:
    stream = stream_make("ann")
    snapshot(stream.pk, peak=40, total=90)
    sync_client().flushall()

    assert services.catalog_rebuild() == (1, 0)

    assert selectors.figures_many([stream.pk]) == {stream.pk: Figures("live", 0, 40, 90)}
    assert services.catalog_rebuild() == (0, 0)


def test_what_redis_has_is_never_lowered() -> None:
    stream = stream_make("bob")
    snapshot(stream.pk, peak=4, total=9)
    keys = [f"view:{{{stream.pk}}}:{name}" for name in ("peak", "total")]
    redis.run_now([("SET", key, 50) for key in keys])

    assert services.stream_relist(stream_id=stream.pk) is True

    assert selectors.figures_many([stream.pk])[stream.pk] == Figures("live", 0, 50, 50)


def test_a_stream_that_ended_while_redis_was_lost_gets_its_figures_from_the_snapshot() -> None:
    stream, other = stream_make("cho"), stream_make("dan")
    snapshot(stream.pk, peak=40, total=90)
    snapshot(other.pk, peak=5, total=6)
    sync_client().flushall()
    Stream.objects.filter(pk=stream.pk).update(status=StreamStatus.ENDED, ended_at=CAPTURED)

    services.catalog_rebuild()

    stream.refresh_from_db()
    assert (stream.peak_viewers, stream.total_viewers) == (40, 90)
    assert list(CurrentViewers.objects.values_list("stream_id", flat=True)) == [other.pk]
