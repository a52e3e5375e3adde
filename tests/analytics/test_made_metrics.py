"""How old statistics and rankings are, as metrics: a job that fails for a week is seen."""

import datetime

import pytest
from prometheus_client import REGISTRY

from apps.analytics.claim import claimed
from apps.analytics.daily_services import statistics_keep
from apps.analytics.ranking_services import rankings_keep
from apps.audience.sessions import SEOUL
from apps.realtime.redis import sync_client
from tests.analytics.record import day_make, stream_past
from tests.audience.stage import both

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=SEOUL)
MINUTE = datetime.timedelta(minutes=1)


def metric(name: str, **labels: str) -> datetime.datetime:
    value = REGISTRY.get_sample_value(f"fullhouse_{name}_made_seconds", labels)
    assert value is not None
    return datetime.datetime.fromtimestamp(value, SEOUL)


@both
def test_statistics_say_when_they_were_made(redis_url: str) -> None:
    def measured() -> datetime.datetime:
        rankings_keep(now=NOON)  # every 15 seconds, in whichever worker
        return metric("statistics")

    assert statistics_keep(now=NOON) is not None
    assert measured() == NOON
    with claimed():
        assert statistics_keep(now=NOON + 30 * MINUTE) is None
    assert measured() == NOON
    assert statistics_keep(now=NOON + 60 * MINUTE) is not None
    assert measured() == NOON + 60 * MINUTE


@both
def test_rankings_say_when_the_oldest_was_made(redis_url: str) -> None:
    stream = stream_past("mina", NOON - 60 * MINUTE, NOON)
    day_make(stream, NOON.date(), peak=1, average=1, unique=1, new=1, watched=60, live=60)
    assert rankings_keep(now=NOON) == ["today", "week"]
    assert (metric("rankings", period="today"), metric("rankings", period="week")) == (NOON, NOON)
    # Another worker makes one of them; this one knows of it all the same.
    later = NOON + 4 * MINUTE
    sync_client().hset("history:ranking:week:0", "as_of", int(later.timestamp() * 1000))
    assert rankings_keep(now=later) == []
    assert (metric("rankings", period="today"), metric("rankings", period="week")) == (NOON, NOON)
    sync_client().hset(f"history:ranking:week:{stream.category_id}", "as_of", int(later.timestamp() * 1000))
    assert rankings_keep(now=later) == []
    assert (metric("rankings", period="today"), metric("rankings", period="week")) == (NOON, later)
