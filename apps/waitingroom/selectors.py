"""Every read of zones for people: rows from the database, live figures from Redis."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from apps.realtime import redis

from . import store

# Commands in one pipeline: a few ms of Redis, so that polls get their turn in between.
PIPELINE = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LineFigures:
    """How one zone's line stands: how many wait now, and how many entered in the last whole minute of the clock."""

    waiting: int
    entering: int


def lines_now(zone_ids: Sequence[str]) -> dict[str, LineFigures]:
    """How these zones' lines stand, in one pipeline; without those that cannot be read, which may be all."""
    minute = int(time.time()) // 60 - 1
    commands = [command for zone in zone_ids for command in (store.status(zone), store.stats(zone, minute))]
    found = {}
    with redis.may_be_away("zone_lines"):
        replies = redis.run_now(commands)
        for zone_id, status, counted in zip(zone_ids, replies[::2], replies[1::2], strict=True):
            if isinstance(status, Exception) or isinstance(counted, Exception):
                continue
            line = store.status_read(status)
            if line is not None:
                found[zone_id] = LineFigures(waiting=line.waiting, entering=store.stats_read(counted).entries)
    return found
