"""What MariaDB reads for a chart: one key, partitions of the range and no others, however much lies around it."""

import datetime
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.analytics.ranking_selectors import watched_of_days
from apps.analytics.selectors import (
    broadcaster_days,
    broadcaster_series,
    broadcaster_streams,
    growth,
    heat_map,
    stream_series,
)
from apps.analytics.snapshot_selectors import rows_before, streams_unseen
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, category_ensure
from tests.analytics.partitioning import NOW, partition_anew, rows_read

DAY = datetime.timedelta(days=1)
STREAMS = 40
# As partition_anew makes them: the running month, the two after it and the rest.
MONTH = datetime.datetime(2025, 3, 1, tzinfo=NOW.tzinfo)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crowded(transactional_db: None) -> Iterator[Stream]:
    """A stream among 40, each of its own broadcaster and with 50 older ones; ten days of snapshots and of statistics.

    In the partitions of March and April 2025.
    """
    assert connection.vendor == "mysql", "these tests are about MariaDB; run them with --database=mariadb"
    partition_anew(NOW)
    category = category_ensure(slug="talk", name="Talk")
    owners = [broadcaster_ensure(name=f"b{n}", slug=f"b{n}") for n in range(STREAMS)]
    streams = [
        Stream(
            broadcaster=owner, category=category, title="past", status="ended", started_at=start, ended_at=start + DAY
        )
        for owner in owners
        for start in [MONTH - (n + 40) * DAY for n in range(50)]
    ]
    streams += [
        Stream(broadcaster=owner, category=category, title="now", started_at=MONTH + 26 * DAY) for owner in owners
    ]
    Stream.objects.bulk_create(streams)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO viewer_history (stream_id, captured_at, current, peak, total, unique_today)"
            " SELECT st.id, st.started_at + INTERVAL mark.seq * 300 SECOND, 1, 1, 1, 1"
            " FROM streams st JOIN seq_0_to_2879 mark WHERE st.status = 'live'"
        )
        cursor.execute(
            "INSERT INTO daily_statistics (day, stream_id, broadcaster_id, peak_viewers, average_viewers,"
            " unique_viewers, new_viewers, returning_viewers, watch_minutes, live_minutes)"
            " SELECT DATE('2025-03-27') + INTERVAL n.seq DAY, st.id, st.broadcaster_id, 1, 1, 1, 1, 0, 1, 1"
            " FROM streams st JOIN seq_0_to_9 n"
        )
        cursor.execute("ANALYZE TABLE viewer_history, daily_statistics, streams PERSISTENT FOR ALL")
        cursor.fetchall()
    yield Stream.objects.filter(status="live").order_by("pk")[STREAMS // 2]
    partition_anew(datetime.datetime.now(datetime.UTC))


def plans(read: Callable[[], object]) -> list[tuple[str, str, str, str, int]]:
    """(table, partitions, how, index, rows expected) of every table that is read."""
    with CaptureQueriesContext(connection) as queries:
        read()
    found = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN PARTITIONS {query['sql']}")
                found += [(row[2], row[3] or "", row[4], row[6] or "", int(row[9])) for row in cursor.fetchall()]
    return [plan for plan in found if plan[0] is not None and not plan[0].startswith("<derived")]


def test_a_streams_day_is_read_by_the_key_from_one_month(crowded: Stream) -> None:
    def read() -> object:
        return stream_series(stream_id=crowded.pk, since=MONTH + 27 * DAY, until=MONTH + 28 * DAY)

    # Rows without viewers are held against the end of their stream, found by its key; here there are none.
    assert [plan[:4] for plan in plans(read)] == [
        ("viewer_history", "p202503", "range", "PRIMARY"),
        ("U0", "", "eq_ref", "PRIMARY"),
    ]
    assert rows_read(read) <= 288 + 1


def test_a_broadcasters_month_is_read_by_keys_alone(crowded: Stream) -> None:
    def read() -> object:
        return broadcaster_series(broadcaster_id=crowded.broadcaster_id, since=MONTH + 20 * DAY, until=MONTH + 50 * DAY)

    found = plans(read)
    assert [plan[:4] for plan in found if plan[0] == "viewer_history"] == [
        ("viewer_history", "p202503,p202504", "range", "PRIMARY")
    ]
    assert {plan[3] for plan in found if plan[0] == "streams"} == {"streams_by_broadcaster"}
    # Its 2,880 snapshots and its streams of the last month; of 115,200 snapshots and 2,040 streams there are.
    assert rows_read(read) <= 2_880 + 60


def test_years_are_read_from_days_of_one_broadcaster(crowded: Stream) -> None:
    def year() -> object:
        return broadcaster_series(
            broadcaster_id=crowded.broadcaster_id, since=MONTH - 300 * DAY, until=MONTH + 65 * DAY
        )

    def stream_year() -> object:
        return stream_series(stream_id=crowded.pk, since=MONTH - 300 * DAY, until=MONTH + 65 * DAY)

    def days() -> object:
        return broadcaster_days(
            broadcaster_id=crowded.broadcaster_id, since=datetime.date(2025, 3, 30), until=datetime.date(2025, 4, 2)
        )

    def compared() -> object:
        return growth(broadcaster_id=crowded.broadcaster_id, until=datetime.date(2025, 4, 5), days=7)

    # The broadcaster has 51 streams with ten days each; all together have 20,400.
    for read, most in ((year, 510), (stream_year, 510), (days, 3 * 51), (compared, 510)):
        (plan,) = [plan for plan in plans(read) if plan[0] == "daily_statistics"]
        assert plan[3] == "daily_statistics_of_owner"
        assert rows_read(read) <= most + 10


def test_a_heat_map_and_a_list_of_streams_read_no_other_broadcaster(crowded: Stream) -> None:
    def heat() -> object:
        return heat_map(broadcaster_id=crowded.broadcaster_id, until=datetime.date(2025, 4, 7), weeks=4)

    def listed() -> object:
        return broadcaster_streams(broadcaster_id=crowded.broadcaster_id, since=MONTH, until=MONTH + 60 * DAY)

    assert rows_read(heat) <= 2_880 + 60
    assert rows_read(listed) <= 510 + 10  # its days since the first of these streams began


def test_a_ranking_reads_the_days_it_is_about_and_no_stream_twice(crowded: Stream) -> None:
    def read() -> object:
        return watched_of_days(first=datetime.date(2025, 4, 5), last=datetime.date(2025, 4, 5))

    first, second = plans(read)
    assert first[:4] == ("ds", "p2025", "range", "PRIMARY")
    assert (second[0], second[2], second[3]) == ("st", "eq_ref", "PRIMARY")


def test_a_recalled_snapshot_reads_a_row_a_stream(crowded: Stream) -> None:
    ids = [*Stream.objects.filter(status="live").values_list("pk", flat=True)]
    mark = MONTH + 28 * DAY

    def read() -> object:
        return rows_before(ids, mark)

    found = {pk: row.captured_at for pk, row in rows_before(ids, mark).items()}
    assert found == dict.fromkeys(ids, mark - datetime.timedelta(minutes=5))
    assert {plan[1] for plan in plans(read)} == {"p202503"}
    assert rows_read(read) <= STREAMS + 1


def test_a_stream_between_two_marks_is_not_looked_for_in_months_before_it(crowded: Stream) -> None:
    since = MONTH + 38 * DAY
    minute = datetime.timedelta(minutes=1)
    brief = Stream.objects.create(
        broadcaster_id=crowded.broadcaster_id,
        category_id=crowded.category_id,
        title="brief",
        status="ended",
        started_at=since + minute,
        ended_at=since + 2 * minute,
    )

    def read() -> list[int]:
        return [stream.stream_id for stream in streams_unseen(since=since, until=since + 5 * minute)]

    assert read() == [brief.pk]
    (partitions,) = [plan[1] for plan in plans(read) if plan[0] == "viewer_history"]
    assert partitions.split(",")[0] == "p202504"
