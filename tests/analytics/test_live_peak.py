"""The peak of a stream that is live, in the running day's statistics and rankings: that of this moment, from Redis."""

import datetime

import pytest
from django.utils import timezone

from apps.analytics.daily_services import statistics_compute
from apps.analytics.models import DailyStatistics
from apps.analytics.ranking_services import rankings_keep
from apps.analytics.selectors import ranking_past
from apps.audience.sessions import SEOUL
from apps.realtime.redis import sync_client
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def peaks(now: datetime.datetime) -> dict[int, int]:
    statistics_compute(day=now.astimezone(SEOUL).date(), now=now)
    return dict(DailyStatistics.objects.values_list("stream_id", "peak_viewers"))


def test_a_stream_that_met_no_snapshot_yet_has_its_peak_beside_its_viewers() -> None:
    stream, empty = stream_make("busy"), stream_make("empty")
    viewers_arrive(stream, "a", "b", "c")
    viewers_leave(stream, "a", "b")
    now = timezone.now()
    assert peaks(now) == {stream.pk: 3, empty.pk: 0}
    assert rankings_keep(now=now) == ["today", "week"]
    rows = ranking_past(period="today", category_id=None, offset=0, limit=10).rows
    assert [(row.slug, row.peak) for row in rows] == [("busy", 3), ("empty", 0)]


def test_a_stream_whose_figures_are_spoilt_spoils_no_other() -> None:
    stream, good, third = stream_make("spoilt"), stream_make("good"), stream_make("third")
    viewers_arrive(good, "a", "b")
    viewers_arrive(third, "a")
    sync_client().set(f"view:{{{stream.pk}}}:peak", "many")
    assert peaks(timezone.now()) == {stream.pk: 0, good.pk: 2, third.pk: 1}
