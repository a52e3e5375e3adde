"""analytics-query: charts out of a year of 5-minute history of 400 channels (`--connections` says how many).

2,000 channels broadcast round the clock for a year, a new stream a day: 730,000 streams and as many rows of statistics.
So many of them as asked have snapshots, 105,120 each. The table is filled in three steps, and after each one charts are
drawn by the selectors that the pages and the API use, one after the other, of days and channels at random: viewers of a
stream's day, of a channel's month, of its year (from statistics of days), and a heat map of ten weeks. MariaDB has
1 GiB of memory for its pages, less than the table has at the end, so it reads from the disk as well.

What it cannot prove: many readers at once; a table that grew for a year (this one is filled day by day, so its pages
are fuller); or 200 million rows: from one step to the next the times say how it grows.
"""

import datetime
import random
import time
from collections.abc import Callable
from typing import Any

from .figures import percentile
from .house import House
from .record_house import RecordHouse
from .scenario import Options, Result, Scenario, say

CHANNELS = 2_000
DAYS = 365
STEPS = (4, 2, 1)
# Charts of each kind after each step.
CHARTS = {"day": 400, "month": 200, "year": 200, "heat": 50}


def run(house: House, options: Options) -> Result:
    """Fill a part, ask, and go on."""
    assert isinstance(house, RecordHouse)
    from apps.analytics.daily import ONE_DAY
    from apps.audience.sessions import SEOUL
    from apps.streams.services import category_ensure

    from . import past_fill

    now = datetime.datetime.now(SEOUL)
    first = now.date() - DAYS * ONE_DAY
    started = time.monotonic()
    past_fill.partitions_make(datetime.datetime.combine(first, datetime.time(), SEOUL), now)
    categories = [category_ensure(slug=f"load-{n}", name=f"Load {n}").pk for n in range(10)]
    past_fill.channels_make(CHANNELS, first, DAYS, categories)
    say(f"{CHANNELS * DAYS:,} streams and their statistics were there after {time.monotonic() - started:.0f} s")
    filled, steps = 0, []
    for part in STEPS:
        channels = max(1, options.connections // part)
        if channels == filled:
            continue
        started = time.monotonic()
        past_fill.history_make(range(filled + 1, channels + 1), CHANNELS, first, DAYS)
        rows = (channels - filled) * DAYS * past_fill.SNAPSHOTS_A_DAY
        say(f"{rows:,} snapshots were written in {time.monotonic() - started:.0f} s")
        filled = channels
        steps.append(_table() | _charts(channels, first))
        say(f"{steps[-1]}")
    figures = {**steps[-1], "channels_with_snapshots": filled, "steps": steps}
    return Result(
        figures,
        goals={
            "stream_day_p95_ms": ("at_most", 50),
            "channel_month_p95_ms": ("at_most", 100),
            "channel_year_p95_ms": ("at_most", 200),
            "empty": ("at_most", 0),
        },
    )


def _table() -> dict[str, Any]:
    """How much there is now; its statistics are brought up to date, as the server does by itself after a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE viewer_history, daily_statistics, streams")
        cursor.fetchall()
        cursor.execute("SELECT COUNT(*) FROM viewer_history")
        (rows,) = cursor.fetchone()
        cursor.execute(
            "SELECT SUM(data_length + index_length) FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = 'viewer_history'"
        )
        (size,) = cursor.fetchone()
    return {"rows": rows, "gib": round(int(size) / 2**30, 2)}


def _charts(channels: int, first: datetime.date) -> dict[str, Any]:
    from apps.analytics import selectors
    from apps.analytics.daily import ONE_DAY, midnight

    chance = random.Random(channels)
    last = first + DAYS * ONE_DAY

    def stream_day() -> int:
        number = chance.randrange(DAYS)
        stream_id = number * CHANNELS + chance.randint(1, channels)
        since = midnight(first + number * ONE_DAY)
        return len(selectors.stream_series(stream_id=stream_id, since=since, until=since + ONE_DAY).points) // 288

    def channel_month() -> int:
        since = midnight(first + chance.randrange(DAYS - 30) * ONE_DAY)
        found = selectors.broadcaster_series(
            broadcaster_id=chance.randint(1, channels), since=since, until=since + 30 * ONE_DAY
        )
        return len(found.points) // 1_440

    def channel_year() -> int:
        found = selectors.broadcaster_series(
            broadcaster_id=chance.randint(1, channels), since=midnight(first), until=midnight(last)
        )
        return len(found.points) // DAYS

    def heat() -> int:
        until = first + chance.randint(70, DAYS) * ONE_DAY
        found = selectors.heat_map(broadcaster_id=chance.randint(1, channels), until=until, weeks=10)
        return int(all(cell.average is not None for day in found.cells for cell in day))

    kinds: dict[str, Callable[[], int]] = {
        "day": stream_day,
        "month": channel_month,
        "year": channel_year,
        "heat": heat,
    }
    names = {"day": "stream_day", "month": "channel_month", "year": "channel_year", "heat": "heat_map"}
    figures: dict[str, Any] = {"empty": 0}
    for kind, draw in kinds.items():
        waits = []
        draw()  # opens the connection
        for _ in range(CHARTS[kind]):
            began = time.perf_counter()
            whole = draw()
            waits.append((time.perf_counter() - began) * 1000)
            figures["empty"] += not whole  # a chart with less than all of its points
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            figures[f"{names[kind]}_{name}_ms"] = round(percentile(waits, share), 1)
        figures[f"{names[kind]}_max_ms"] = round(max(waits), 1)
    return figures


SCENARIO = Scenario(
    "analytics-query",
    "charts of a day, a month and a year out of a year of snapshots",
    run,
    400,
    0,
    most=CHANNELS,
    house=RecordHouse,
)
