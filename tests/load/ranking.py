"""ranking: the first 100 of 100,000 live streams, and of as many broadcasters by what was watched (`--connections`).

The ranking of what is live and those of today and of the week are each asked for 200 times a second over HTTP, at
random moments at a fixed mean rate, whether or not the request before has been answered. `p95_ms` is the slowest of
the three. Rankings of the past are made by the task's service from the statistics of a week in MariaDB, 100,000 rows a
day; `make_s` is how long that takes for both, beside what it costs MariaDB and the worker.

What it cannot prove: a network, a server that does other work, or viewers who come and go meanwhile (the order of what
is live is put into Redis directly).
"""

import datetime
import time
from collections.abc import Iterable, Sequence
from typing import Any

from . import directory
from .house import House
from .record_house import RecordHouse
from .scenario import Options, Result, Scenario, run_coroutine, say

REQUESTS_A_SECOND = 200.0
DAYS = 7
BATCH = 500
CATEGORIES = 10
PATHS = {
    "live": "/api/rankings?limit=100",
    "today": "/api/rankings/today?limit=100",
    "week": "/api/rankings/week?limit=100",
}


class RankingHouse(RecordHouse):
    """As RecordHouse, with a web server, too."""

    def __exit__(self, *_: object) -> None:
        self.web.stop()
        super().__exit__()

    def _web_start(self, args: Sequence[str] = ()) -> None:
        House._web_start(self, args)


def run(house: House, options: Options) -> Result:
    """Fill MariaDB and Redis, make the rankings, ask for them."""
    assert isinstance(house, RankingHouse)
    from apps.analytics.daily import ONE_DAY, midnight
    from apps.audience.sessions import SEOUL
    from apps.streams.services import category_ensure

    from . import past_fill

    started, now, streams = time.monotonic(), datetime.datetime.now(SEOUL), options.connections
    first = now.date() - (DAYS - 1) * ONE_DAY
    past_fill.partitions_make(midnight(first), now)
    categories = [category_ensure(slug=f"load-{n}", name=f"Load {n}").pk for n in range(CATEGORIES)]
    past_fill.channels_make(streams, first, DAYS, categories)
    _go_live(range((DAYS - 1) * streams + 1, DAYS * streams + 1), categories)
    say(f"{streams:,} streams went live after {time.monotonic() - started:.0f} s")
    figures = _make(house)
    say(f"rankings were made: {figures}")
    asked = run_coroutine(_ask_all(house, options.seconds))
    return Result(
        {
            "streams": streams,
            "p95_ms": max(one["p95_ms"] for one in asked.figures.values()),
            "failed": sum(one["failed"] for one in asked.figures.values()),
            **figures,
            **asked.figures,
        },
        goals={"p95_ms": ("at_most", 10), "failed": ("at_most", 0)},
    )


def _go_live(stream_ids: Iterable[int], categories: list[int]) -> None:
    """List them in Redis, each with one viewer, and rank them with a long tail."""
    from apps.audience import house_store, store
    from apps.audience.sessions import Session, owner_make, seoul_day
    from apps.realtime.redis import ask_now, close_sync_clients
    from apps.realtime.slicing import slices

    now_ms, ids = int(time.time() * 1000), list(stream_ids)
    day, owner = seoul_day(now_ms), owner_make(connected_ms=now_ms, server="load", serial=1)
    for number, part in enumerate(slices(ids, BATCH)):
        commands: list[Any] = []
        for stream_id in part:
            category = stream_id % CATEGORIES
            commands += house_store.listing_put(
                house_store.Listing(
                    stream_id, categories[category], f"load-{category}", f"Stream {stream_id}", "Channel"
                )
            )
            commands.append(
                store.announce(
                    stream_id=stream_id,
                    day=day,
                    now_ms=now_ms,
                    server="load",
                    held=1,
                    known=store.Figures("live", 0, 0, 0),
                    sessions=[Session(f"s{stream_id}", f"u{stream_id}", stream_id, owner)],
                    arrivals=True,
                )
            )
        scores = {stream_id: 1_000_000 // (number * BATCH + place + 1) for place, stream_id in enumerate(part)}
        ask_now([*commands, house_store.rank(None, scores)])
    close_sync_clients()


def _make(house: RankingHouse) -> dict[str, Any]:
    """What making the rankings of both periods costs."""
    from django.utils import timezone

    from apps.analytics.ranking_services import rankings_keep
    from apps.realtime.redis import close_sync_clients

    mariadb, cpu, started = house.mariadb_meter(), time.process_time(), time.monotonic()
    made = rankings_keep(now=timezone.now())
    assert made == ["today", "week"], made
    close_sync_clients()
    return {
        "make_s": round(time.monotonic() - started, 2),
        "make_mariadb_cpu_s": round(mariadb.window().cpu_seconds, 2),
        "make_worker_cpu_s": round(time.process_time() - cpu, 2),
    }


async def _ask_all(house: House, seconds: float) -> Result:
    figures = {}
    for name, path in PATHS.items():
        figures[name] = await directory.ask(house, path, rate=REQUESTS_A_SECOND, seconds=seconds)
        say(f"{path}: {figures[name]}")
    return Result(figures)


SCENARIO = Scenario(
    "ranking",
    "the first 100 of very many live streams, and of what was watched today and in a week",
    run,
    100_000,
    20,
    most=200_000,
    house=RankingHouse,
)
