"""What a day's statistics are made of: which streams are looked at, and how much of them comes to the worker."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.analytics.daily import Day
from apps.analytics.daily_selectors import streams_of_day, watched_of_day
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, category_ensure
from tests.analytics.partitioning import rows_read
from tests.analytics.test_daily_statistics import DAWN, DAY, HOUR, SECOND, stream_make, watch

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.mark.django_db(transaction=True)  # ANALYZE commits
def test_streams_that_are_over_are_found_by_when_they_ended() -> None:
    """Not among all that began in the weeks before, which may be millions."""
    owners = [broadcaster_ensure(name=f"b{n}", slug=f"b{n}") for n in range(20)]
    category = category_ensure(slug="talk", name="Talk")
    Stream.objects.bulk_create(
        Stream(
            broadcaster=owner,
            category=category,
            title="past",
            status="ended",
            started_at=DAWN - days * 24 * HOUR,
            ended_at=DAWN - days * 24 * HOUR + HOUR,
        )
        for owner in owners
        for days in range(60)
    )
    is_mysql = connection.vendor == "mysql"
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE streams" if is_mysql else "ANALYZE streams")
    with CaptureQueriesContext(connection) as queries:
        assert len(streams_of_day(Day(DAY))) == 20
    (query,) = [query["sql"] for query in queries if ">=" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN' if is_mysql else 'EXPLAIN QUERY PLAN'} {query}")
        (plan,) = cursor.fetchall()
    if is_mysql:
        assert plan[5] == "streams_ended"
        assert rows_read(lambda: streams_of_day(Day(DAY))) <= 20 + 2
    else:
        assert "USING INDEX streams_ended" in plan[3]


def test_sessions_that_a_midnight_cuts_are_added_up_as_one_by_one() -> None:
    chance = random.Random(7)
    stream = stream_make("late show", -50 * HOUR, None)
    spans = [(-HOUR, 25 * HOUR), (0 * HOUR, 24 * HOUR), (0 * HOUR, 24 * HOUR + SECOND), (-SECOND, SECOND * 1.999999)]
    for _ in range(60):
        joined = chance.randrange(-160 * 3_600_000, 24 * 3_600_000) * SECOND / 1_000
        spans.append((joined, joined + chance.randrange(1, 48 * 3_600_000) * SECOND / 1_000))
    for number, (joined, left) in enumerate(spans):
        watch(stream, f"u{number}", joined, left)
    found = watched_of_day(Day(DAY), streams_of_day(Day(DAY)))
    inside = [(joined, left) for joined, left in spans if joined >= 0 * HOUR or left > 0 * HOUR]
    seconds = sum(Day(DAY).seconds_of(DAWN + joined, DAWN + left) for joined, left in inside)
    assert found == {stream.pk: (len(inside), seconds)}


@pytest.mark.django_db(transaction=True)
def test_a_midnight_with_many_sessions_is_one_row_to_whoever_computes() -> None:
    stream = stream_make("late show", -2 * HOUR, 2 * HOUR)
    for number in range(40):
        watch(stream, f"u{number}", -HOUR, HOUR)
    with CaptureQueriesContext(connection) as queries:
        assert watched_of_day(Day(DAY), streams_of_day(Day(DAY))) == {stream.pk: (40, 40 * 3_600)}
    sent = []
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(query["sql"])
                sent.append(len(cursor.fetchall()))
    assert max(sent) == 1
