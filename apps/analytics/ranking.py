"""Broadcasters ranked by what was watched of them: the order and who is in it. Pure: no I/O, no clock."""

import datetime
from dataclasses import dataclass
from typing import Literal

Period = Literal["today", "week"]
PERIODS: tuple[Period, ...] = ("today", "week")
WEEK_DAYS = 7
# Places that are kept. `total` never says more, so whoever turns the pages comes to the end.
MOST_RANKED = 1_000


@dataclass(frozen=True, slots=True)
class RankedBroadcaster:
    """One place. `category` is the slug of the one in which most was watched; `unique` a sum over streams and days."""

    rank: int
    broadcaster_id: int
    slug: str
    name: str
    category: str
    watch_minutes: int
    peak: int
    unique: int


@dataclass(frozen=True, slots=True)
class PastRanking:
    """Some places of a ranking by minutes watched, then peak; `total` places are kept, 1,000 at most.

    `as_of` is when it was made. None: it has not been made or was lost and is being made again, which takes seconds;
    then there are no rows, and that says nothing about who was watched.
    """

    as_of: datetime.datetime | None
    total: int
    rows: list[RankedBroadcaster]
