"""What analytics keeps in Redis, but for snapshots (snapshot_store.py).

Keys:
- `history:drain:<place>`: somebody writes sessions into the database. A few may at once, so that they never take up
  all processes of a worker while the database hangs.
- `history:days`: sorted set, day of Seoul (YYYY-MM-DD) -> epoch ms of the last change to what its statistics are made
  of, or, for the day that runs, when it ends. Computing them after that takes it out.
"""

import datetime
from collections.abc import Iterable, Sequence

from apps.realtime.redis import Command

DRAINS_AT_ONCE = 2
# Renewed with every batch; a killed drain's place is free after this.
DRAIN_KEPT_S = 60
DAYS = "history:days"


def _drain(place: int) -> str:
    return f"history:drain:{place}"


def drain_claim(place: int) -> Command:
    """Answers None if somebody else has this place."""
    return ("SET", _drain(place), 1, "NX", "EX", DRAIN_KEPT_S)


def drain_renew(place: int) -> Command:
    """Keep the place a while longer."""
    return ("EXPIRE", _drain(place), DRAIN_KEPT_S)


def drain_release(place: int) -> Command:
    """Leave the place."""
    return ("DEL", _drain(place))


def days_touch(days: Iterable[datetime.date], at_ms: int) -> Command:
    """What the statistics of these days are made of changed, or will until then."""
    return ("ZADD", DAYS, "GT", *(part for day in days for part in (at_ms, day.isoformat())))


def days_touched() -> Command:
    """All such days."""
    return ("ZRANGE", DAYS, 0, -1)


def days_read(reply: Sequence[bytes]) -> list[datetime.date]:
    """What `days_touched` answered."""
    return [datetime.date.fromisoformat(member.decode()) for member in reply]


def days_settle(before_ms: int) -> Command:
    """The statistics of every day in the set were made of what was there at this moment."""
    return ("ZREMRANGEBYSCORE", DAYS, "-inf", f"({before_ms}")
