"""A year of the past, made by MariaDB itself from its tables of numbers: millions of rows a minute.

Every channel broadcasts round the clock, a new stream each day of Seoul. Of a stream's id the rest by the number of
channels is its channel, so that ids rise with time, as they do in life.
"""

import datetime

from django.db import connection

from apps.analytics.daily import ONE_DAY, midnight

SNAPSHOTS_A_DAY = 288
DAYS_AT_ONCE = 30
# The busiest channel has some ten thousand viewers, the thousandth some two hundred; most of them in the evening.
VIEWERS = (
    "CAST(200000 / ({channel} + 10) * (1.1 + SIN({mark} * 2 * PI() / 288 - 2)) * (0.8 + 0.4 * RAND()) AS UNSIGNED)"
)


def partitions_make(since: datetime.datetime, now: datetime.datetime) -> None:
    """Give the empty tables the partitions that they would have, had they been there since then."""
    from apps.analytics import partition_sql as sql
    from apps.analytics.partitions import plan_make

    with connection.cursor() as cursor:
        for layout in sql.layouts():
            for step in plan_make(layout, None, now=now, since=since):
                cursor.execute(sql.statement(connection, layout, step))


def channels_make(channels: int, first: datetime.date, days: int, categories: list[int]) -> None:
    """Broadcasters 1 to `channels`, their streams of these days, and the statistics of every stream's day."""
    places = ", ".join(map(str, categories))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO broadcasters (id, name, slug, bio, created_at)"  # noqa: S608  numbers are our own
            f" SELECT seq, CONCAT('Channel ', seq), CONCAT('channel-', seq), '', %s FROM seq_1_to_{channels}",
            [midnight(first).replace(tzinfo=None)],
        )
        for start in range(0, days, DAYS_AT_ONCE):
            end = min(start + DAYS_AT_ONCE, days) - 1
            numbers = f"seq_{start}_to_{end} d JOIN seq_1_to_{channels} c"
            cursor.execute(
                "INSERT INTO streams (id, broadcaster_id, category_id, title, status, poster_url, playback_url,"  # noqa: S608
                " started_at, ended_at, peak_viewers, total_viewers)"
                f" SELECT d.seq * {channels} + c.seq, c.seq, ELT(1 + c.seq %% {len(categories)}, {places}),"
                " CONCAT('Stream ', d.seq), 'ended', '', '', %s + INTERVAL d.seq DAY, %s + INTERVAL d.seq + 1 DAY,"
                f" 400000 / (c.seq + 10), 0 FROM {numbers}",
                [midnight(first).replace(tzinfo=None)] * 2,
            )
            cursor.execute(
                "INSERT INTO daily_statistics (day, stream_id, broadcaster_id, peak_viewers, average_viewers,"  # noqa: S608
                " unique_viewers, new_viewers, returning_viewers, watch_minutes, live_minutes)"
                f" SELECT %s + INTERVAL d.seq DAY, d.seq * {channels} + c.seq, c.seq, 400000 / (c.seq + 10),"
                " 200000 / (c.seq + 10), 900000 / (c.seq + 10), 300000 / (c.seq + 10), 600000 / (c.seq + 10),"
                f" FLOOR(288000000 / (c.seq + 10) * (0.5 + RAND())), 1440 FROM {numbers}",
                [first.isoformat()],
            )


def history_make(channels: range, of: int, first: datetime.date, days: int) -> None:
    """Snapshots of these channels, of the `of` that there are: day by day, in the order of the key."""
    current = VIEWERS.format(channel="c.seq", mark="m.seq")
    with connection.cursor() as cursor:
        for number in range(days):
            cursor.execute(
                "INSERT INTO viewer_history (stream_id, captured_at, current, peak, total, unique_today)"  # noqa: S608
                f" SELECT {number * of} + c.seq, %s + INTERVAL m.seq * 300 SECOND, {current},"
                " 400000 / (c.seq + 10), m.seq * 1000, m.seq * 900"
                f" FROM seq_{channels.start}_to_{channels.stop - 1} c JOIN seq_0_to_{SNAPSHOTS_A_DAY - 1} m"
                " ORDER BY c.seq, m.seq",
                [midnight(first + number * ONE_DAY).replace(tzinfo=None)],
            )
