"""analytics-sessions: 1,000,000 sessions that are over get from Redis into MariaDB (`--connections` says how many).

They come and go through the scripts that servers call: nine in ten leave, the rest are cut off when their streams end,
which puts them aside in one piece. Then one worker, which is this process, drains them run after run, as its task does,
until nothing is left. `rows_per_second` is by the clock, from the first look at the register to the last
acknowledgement. The worker waits for MariaDB meanwhile; `rows_per_worker_cpu_second` is what a core of workers could
do at most. `redis_bytes_each` is of those who left; the others take what they took while they watched.

What it cannot prove: several workers, a MariaDB that also serves others or copies itself to replicas, or a table with
hundreds of millions of rows.
"""

import random
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .house import House
from .record_house import RecordHouse
from .scenario import Options, Result, Scenario, say

if TYPE_CHECKING:
    from apps.audience.sessions import Session
    from apps.streams.models import Stream

STREAMS = 100
LEAVING = 0.9
HOUR_MS = 3_600_000
CALLS = 10  # in one pipeline


def run(house: House, options: Options) -> Result:
    """Fill, leave, end, drain, count."""
    assert isinstance(house, RecordHouse)
    from apps.audience.selectors import past_waiting
    from apps.audience.services import past_register, stream_close
    from apps.audience.store import past_keys
    from apps.realtime.redis import close_sync_clients

    streams = house.streams_make(min(STREAMS, options.connections))
    started, now_ms = time.monotonic(), int(time.time() * 1000)
    audiences = {stream.pk: _sessions(stream, options.connections, len(streams), now_ms) for stream in streams}
    for stream_id, audience in audiences.items():
        _tell("announce", stream_id, audience, now_ms)
    leaving = {stream_id: audience[: int(len(audience) * LEAVING)] for stream_id, audience in audiences.items()}
    meter = house.redis_meter()
    for stream_id, leavers in leaving.items():
        _tell("depart", stream_id, leavers, now_ms)
    left = meter.window(sum(map(len, leaving.values())))
    kept = sum(house.redis_memory(past_keys(stream.pk)[0]) for stream in streams)
    past_register()
    for stream in streams:
        stream_close(stream_id=stream.pk, category_id=stream.category_id)
    waiting = past_waiting().records
    say(f"{waiting:,} sessions of {len(streams)} streams were over after {time.monotonic() - started:.0f} s")
    figures = _drain(house, options.connections)
    close_sync_clients()
    figures |= {
        "waited": waiting,
        "redis_us_per_leave": round(left.cpu_seconds / max(left.events, 1) * 1e6, 2),
        "redis_bytes_each": round(kept / max(left.events, 1)),
    }
    return Result(
        figures,
        goals={
            "rows_per_second": ("at_least", 20_000),
            "missing": ("at_most", 0),
            "still_waiting": ("at_most", 0),
            "redis_bytes_each": ("at_most", 120),
        },
    )


def _sessions(stream: "Stream", total: int, streams: int, now_ms: int) -> "list[Session]":
    """This stream's share of all sessions: joined within the last hour, half of them by people who are signed in."""
    from apps.audience.sessions import Session, owner_make

    chance, number = random.Random(stream.pk), -(-total // streams)
    share = min(number, max(0, total - (stream.pk - 1) % streams * number))
    found = []
    for serial in range(share):
        viewer = f"u{chance.randrange(10**7)}" if serial % 2 else f"a{secrets.token_hex(16)}"
        owner = owner_make(connected_ms=now_ms - chance.randrange(HOUR_MS), server="load", serial=serial)
        found.append(Session(secrets.token_hex(8), viewer, stream.pk, owner))
    return found


def _tell(what: str, stream_id: int, sessions: "list[Session]", now_ms: int) -> None:
    """Announce sessions, or let them leave, by the calls that a server makes."""
    from apps.audience import store
    from apps.audience.sessions import seoul_day
    from apps.realtime.redis import ask_now
    from apps.realtime.slicing import slices

    common: dict[str, Any] = {"stream_id": stream_id, "day": seoul_day(now_ms), "now_ms": now_ms, "server": "load"}

    def commands() -> Iterator[Any]:
        for part in slices(sessions, store.ARRIVALS_PER_CALL):
            if what == "announce":
                known = store.Figures("live", 0, 0, 0)
                yield store.announce(**common, held=len(sessions), known=known, sessions=part, arrivals=True)
            else:
                yield store.depart(**common, held=0, sessions=part)

    for part in slices(list(commands()), CALLS):
        ask_now(part)


def _drain(house: RecordHouse, expected: int) -> dict[str, Any]:
    """Runs of the task's service until nothing waits, and what they cost."""
    from apps.analytics.models import UserSession
    from apps.analytics.session_services import sessions_drain
    from apps.audience.selectors import past_waiting

    redis, mariadb = house.redis_meter(), house.mariadb_meter()
    cpu, started = time.process_time(), time.monotonic()
    while True:
        done = sessions_drain()
        if done is None or done.is_finished or not done.written:
            break
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    written = UserSession.objects.count()
    redis_window, mariadb_window = redis.window(written), mariadb.window(written)
    say(f"{written:,} rows were written in {seconds:.1f} s")
    return {
        "sessions": expected,
        "missing": expected - written,
        "still_waiting": past_waiting().records,
        "rows_per_second": round(written / seconds),
        "rows_per_worker_cpu_second": round(written / cpu),
        "redis_us_per_row": round(redis_window.cpu_seconds / max(written, 1) * 1e6, 2),
        "mariadb_us_per_row": round(mariadb_window.cpu_seconds / max(written, 1) * 1e6, 1),
    }


SCENARIO = Scenario(
    "analytics-sessions",
    "sessions that are over, from Redis into MariaDB by one worker",
    run,
    1_000_000,
    0,
    most=10_000_000,
    house=RecordHouse,
)
