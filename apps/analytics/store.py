"""What analytics keeps in Redis, but for snapshots (snapshot_store.py).

Keys:
- `history:drain:<place>`: somebody writes sessions into the database. A few may at once, so that they never take up
  all processes of a worker while the database hangs.
- `history:days`: sorted set of what is to be made again: a day of Seoul (YYYY-MM-DD), or of that day only one stream's
  broadcaster (YYYY-MM-DD:<stream id>) -> epoch ms of the last change to what its statistics are made of, or, for the
  day that runs, when it ends. Computing them after that takes it out.
- `history:days:claim`: who makes statistics or erases a viewer at this moment (claim.lua).
- `history:days:made`: epoch ms as of which the last run of the job made statistics.
- `history:visitors:looked`: the day (YYYY-MM-DD) on which visitors were last looked through for those to be forgotten.
"""

import datetime
from collections.abc import Iterable, Sequence

from apps.realtime.lua import load_script
from apps.realtime.redis import Command

from .daily import Touched

_claim = load_script(__package__, "claim")
_settle = load_script(__package__, "settle")

DRAINS_AT_ONCE = 2
# Renewed with every batch; a killed drain's place is free after this.
DRAIN_KEPT_S = 60
# Kept before everything that is written; longer than any one statement runs, also on a server whose client was killed.
CLAIM_KEPT_S = 900
DAYS = "history:days"
CLAIM = "history:days:claim"
MADE = "history:days:made"
LOOKED = "history:visitors:looked"


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
    return touch([(day, None) for day in days], at_ms)


def touch(changed: Iterable[Touched], at_ms: int) -> Command:
    """The same, of everybody's streams on a day or of one stream's broadcaster's."""
    return ("ZADD", DAYS, "GT", *(part for one in changed for part in (at_ms, _member(one))))


def days_touched() -> Command:
    """All of these."""
    return ("ZRANGE", DAYS, 0, -1)


def touched_read(reply: Sequence[bytes]) -> list[Touched]:
    """What `days_touched` answered."""
    parts = (member.decode().partition(":") for member in reply)
    return [(datetime.date.fromisoformat(day), int(stream_id) if stream_id else None) for day, _, stream_id in parts]


def _member(touched: Touched) -> str:
    day, stream_id = touched
    return day.isoformat() if stream_id is None else f"{day.isoformat()}:{stream_id}"


def day_touched(day: datetime.date) -> Command:
    """When it was, as a whole (epoch ms); None if it was not."""
    return ("ZSCORE", DAYS, day.isoformat())


def days_settle(made: Iterable[Touched], before_ms: int) -> Command:
    """The statistics of these were made of what was there at this moment."""
    return _settle.call([DAYS], [before_ms, *map(_member, made)])


def claim_take(holder: str) -> Command:
    """Be the one who makes statistics; 0 if somebody else is."""
    return _claim.call([CLAIM], [holder, "take", CLAIM_KEPT_S])


def claim_keep(holder: str) -> Command:
    """Be it for a while longer; 0 if it lapsed."""
    return _claim.call([CLAIM], [holder, "keep", CLAIM_KEPT_S])


def claim_drop(holder: str) -> Command:
    """Be it no longer."""
    return _claim.call([CLAIM], [holder, "drop", CLAIM_KEPT_S])


def made_put(at_ms: int) -> Command:
    """The job made statistics as of this moment."""
    return ("SET", MADE, at_ms)


def made() -> Command:
    """When it last did (epoch ms), or None."""
    return ("GET", MADE)


def visitors_looked() -> Command:
    """When they were last looked through."""
    return ("GET", LOOKED)


def visitors_look(day: datetime.date) -> Command:
    """They have been, on this day."""
    return ("SET", LOOKED, day.isoformat())
