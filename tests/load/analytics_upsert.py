"""analytics-upsert: the five-minute snapshot of 100,000 live streams (`--connections` says how many).

Each stream has viewers in Redis, put there by the call that servers make. First a whole snapshot is taken and written,
as the task does it. Then, `ROUNDS` times and in turns, the rows of one mark are written

- by mysqlclient's `executemany`: one call and one commit a table, its parameters ready beforehand (`raw_`), and
- by the task's service from what was put aside, with each of the statement sizes in `SIZES`.

Both write 100,000 rows that are there already into current_viewers and as many new ones into viewer_history, the same
tables of the same MariaDB. `rows_per_second` counts both; it and `ratio_to_raw` are of the size in use, by the median
of the rounds. Meanwhile another process takes a shared lock on rows of current_viewers at random, one every 4 ms
(lock_reader.py); `mysql_p99_ms` is how long it waited for them from when each was due, question and answer included,
while the snapshots of the size in use were written, `mysql_idle_p99_ms` while nothing was.

What it cannot prove: a MariaDB that serves others or copies itself to replicas, a table with years of history, or a
Redis Cluster, where replicas are read.
"""

import datetime
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.services.process import REPOSITORY

from .figures import percentile
from .house import House
from .record_house import RecordHouse
from .scenario import Options, Result, Scenario, say

if TYPE_CHECKING:
    from apps.audience.selectors import LiveCounts

SIZES = (200, 500, 1_000, 2_000, 5_000)
ROUNDS = 3
BATCH = 500
IDLE_S = 3.0
STEP = datetime.timedelta(minutes=5)
COLUMNS = "(stream_id, current, peak, total, unique_today, captured_at) VALUES (%s, %s, %s, %s, %s, %s)"
RAW = (
    f"INSERT INTO current_viewers {COLUMNS} ON DUPLICATE KEY UPDATE current = VALUES(current),"
    " peak = GREATEST(peak, VALUES(peak)), total = GREATEST(total, VALUES(total)),"
    " unique_today = VALUES(unique_today), captured_at = VALUES(captured_at)",
    f"INSERT INTO viewer_history {COLUMNS} ON DUPLICATE KEY UPDATE stream_id = stream_id",
)

Window = tuple[float, float]


class LockReader:
    """lock_reader.py as a process."""

    def __init__(self, socket: str, first: int, last: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.lock_reader", socket, str(first), str(last)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> list[tuple[float, float]]:
        """[(when it was due, seconds until it had the row)]."""
        printed, _ = self._process.communicate()
        return [(asked, seconds) for asked, seconds in json.loads(printed)]


def run(house: House, options: Options) -> Result:
    """Fill Redis, take one whole snapshot, then write in turns."""
    assert isinstance(house, RecordHouse)
    from apps.analytics import services as analytics
    from apps.analytics import snapshot_store
    from apps.audience import services as audience
    from apps.audience.selectors import counts_live
    from apps.realtime.redis import ask_now, close_sync_clients

    number, in_use = options.connections, audience.ROWS_PER_STATEMENT
    noon = datetime.datetime.now(datetime.UTC).replace(hour=3, minute=0, second=0, microsecond=0)  # in Seoul
    _fill(number, noon)
    figures, mark = _whole(house, noon, number), noon
    rows = counts_live(at_ms=int(noon.timestamp() * 1000))
    reader = LockReader(str(house.mariadb.socket), 1, number)
    idle_from = time.monotonic()
    time.sleep(IDLE_S)
    windows: dict[int | str, list[Window]] = {"idle": [(idle_from, time.monotonic())]}
    worker_cpu = 0.0
    mariadb = house.mariadb_meter()
    for _ in range(ROUNDS):
        mark += STEP
        windows.setdefault("raw", []).append(_raw(house, rows, mark))
        ask_now([snapshot_store.settle(int(mark.timestamp()))])  # or it would be taken for one that was missed
        for size in dict.fromkeys((*SIZES, in_use)):
            mark += STEP
            audience.ROWS_PER_STATEMENT = size
            analytics.snapshot_take(now=mark)
            cpu = time.process_time()
            windows.setdefault(size, []).append(_timed(analytics.snapshots_write))
            worker_cpu += time.process_time() - cpu if size == in_use else 0
        audience.ROWS_PER_STATEMENT = in_use
    written = 2 * number * sum(map(len, windows.values()))
    mariadb_window = mariadb.window(written)
    asked = reader.stop()
    figures |= _figures(windows, asked, number=number, in_use=in_use)
    figures |= {
        "rows_per_worker_cpu_second": round(2 * number * ROUNDS / worker_cpu),
        "mariadb_us_per_row": round(mariadb_window.cpu_seconds / written * 1e6, 1),
        "missing": _missing(house, number, marks=1 + ROUNDS * (1 + len(windows) - 2)),
    }
    close_sync_clients()
    return Result(
        figures,
        goals={"ratio_to_raw": ("at_least", 0.75), "mysql_p99_ms": ("at_most", 20), "missing": ("at_most", 0)},
    )


def _fill(number: int, at: datetime.datetime) -> None:
    """So many live streams, each with up to three viewers and figures from before."""
    from apps.audience import house_store, store
    from apps.audience.sessions import Session, owner_make, seoul_day
    from apps.realtime.redis import ask_now
    from apps.realtime.slicing import slices

    started, now_ms = time.monotonic(), int(at.timestamp() * 1000)
    owner = owner_make(connected_ms=now_ms, server="load", serial=1)
    for part in slices(range(1, number + 1), BATCH):
        commands = []
        for stream_id in part:
            viewers = [f"u{stream_id * 31 + n}" for n in range(stream_id % 4)]
            commands += [
                store.live_mark(stream_id),
                *house_store.listing_put(
                    house_store.Listing(stream_id, 1, "load", f"Stream {stream_id}", f"Broadcaster {stream_id}")
                ),
                store.announce(
                    stream_id=stream_id,
                    day=seoul_day(now_ms),
                    now_ms=now_ms,
                    server="load",
                    held=len(viewers),
                    known=store.Figures("live", 0, stream_id % 977, stream_id % 9_973),
                    sessions=[Session(f"{stream_id}-{viewer}", viewer, stream_id, owner) for viewer in viewers],
                    arrivals=True,
                ),
            ]
        ask_now(commands)
    say(f"{number:,} streams are live after {time.monotonic() - started:.0f} s")


def _whole(house: RecordHouse, mark: datetime.datetime, number: int) -> dict[str, Any]:
    """The task's run from the first command to Redis to the last; and what reading alone cost."""
    from apps.analytics import services, snapshot_store

    redis = house.redis_meter()
    read_from, read_until = _timed(lambda: services.snapshot_take(now=mark))
    window = redis.window(number)
    aside = house.redis_memory(snapshot_store.KEYS + "aside")
    started, ended = _timed(services.snapshots_write)
    read_s, write_s = read_until - read_from, ended - started
    say(f"the whole snapshot took {read_s:.1f} s to read and put aside, {write_s:.1f} s to write into empty tables")
    return {
        "streams": number,
        "read_s": round(read_s, 2),
        "redis_us_per_stream": round(window.cpu_seconds / number * 1e6, 2),
        "aside_bytes_per_stream": round(aside / number, 2),
        "first_write_s": round(write_s, 2),
        "whole_s": round(read_s + write_s, 2),
    }


def _timed(work: Any) -> Window:
    started = time.monotonic()
    work()
    return started, time.monotonic()


def _raw(house: RecordHouse, rows: "list[LiveCounts]", mark: datetime.datetime) -> Window:
    """The driver alone: parameters ready, one commit a table."""
    at = mark.replace(tzinfo=None)
    ready = [(row.stream_id, row.current, row.peak, row.total, row.unique_today, at) for row in rows]
    ready.sort()
    connection = house.mariadb.connect(database="fullhouse")
    cursor = connection.cursor()

    def write() -> None:
        for statement in RAW:
            cursor.executemany(statement, ready)
            connection.commit()

    window = _timed(write)
    connection.close()
    return window


def _figures(
    windows: dict[int | str, list[Window]], asked: list[tuple[float, float]], *, number: int, in_use: int
) -> dict[str, Any]:
    def speed(name: int | str) -> int:
        return round(2 * number / statistics.median(end - start for start, end in windows[name]))

    def waits(name: int | str) -> list[float]:
        return [s * 1000 for at, s in asked if any(start <= at <= end for start, end in windows[name])]

    by_size = {size: (speed(size), waits(size)) for size in windows if isinstance(size, int)}
    for size, (rows_per_second, waited) in by_size.items():
        p99, longest = percentile(waited, 0.99), max(waited)
        say(f"{size:>5} rows a statement: {rows_per_second:,} rows/s, a lock p99 {p99:.1f}, at most {longest:.1f} ms")
    return {
        "rows_per_statement": in_use,
        "rows_per_second": speed(in_use),
        "raw_rows_per_second": speed("raw"),
        "ratio_to_raw": round(speed(in_use) / speed("raw"), 3),
        "mysql_p99_ms": round(percentile(waits(in_use), 0.99), 1),
        "mysql_longest_ms": round(max(waits(in_use)), 1),
        "mysql_raw_p99_ms": round(percentile(waits("raw"), 0.99), 1),
        "mysql_raw_longest_ms": round(max(waits("raw")), 1),
        "mysql_idle_p99_ms": round(percentile(waits("idle"), 0.99), 1),
        "by_rows_per_statement": {
            size: {
                "rows_per_second": speed_of,
                "p99_ms": round(percentile(waited, 0.99), 1),
                "longest_ms": round(max(waited), 1),
                "locks": len(waited),
            }
            for size, (speed_of, waited) in by_size.items()
        },
    }


def _missing(house: RecordHouse, number: int, *, marks: int) -> int:
    """Rows that are not in the tables, or are too many."""
    from apps.analytics.models import ViewerHistory
    from apps.audience.models import CurrentViewers

    return abs(number * marks - ViewerHistory.objects.count()) + abs(number - CurrentViewers.objects.count())


SCENARIO = Scenario(
    "analytics-upsert",
    "the five-minute snapshot, from Redis into MariaDB, beside mysqlclient's own executemany",
    run,
    100_000,
    0,
    most=1_000_000,
    house=RecordHouse,
)
