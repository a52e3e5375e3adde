"""Broadcasters ranked by what was watched of them: the order and who is in it. Pure: no I/O, no clock."""

import datetime
import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Period = Literal["today", "week"]
# Days up to and including the running one.
PERIODS: dict[Period, int] = {"today": 1, "week": 7}
# Places that are kept. `total` never says more, so whoever turns the pages comes to the end.
MOST_RANKED = 1_000


@dataclass(frozen=True, slots=True)
class Watched:
    """What was watched of a broadcaster in a category: minutes, the most viewers at once, sum of different viewers."""

    broadcaster_id: int
    category_id: int
    watch_minutes: int
    peak: int
    unique: int

    @property
    def order(self) -> tuple[int, int, int]:
        """The first has the least: most minutes, then highest peak; after that who was there first."""
        return (-self.watch_minutes, -self.peak, self.broadcaster_id)


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

    `as_of` is when it was made. None: it has not been made yet, or was lost and is being made again, which takes
    seconds; then there are no rows, and that says nothing about who was watched.
    """

    as_of: datetime.datetime | None
    total: int
    rows: list[RankedBroadcaster]


def first_day(period: Period, today: datetime.date) -> datetime.date:
    """The first of the days that the ranking is about."""
    return today - datetime.timedelta(days=PERIODS[period] - 1)


def ranked(found: Iterable[Watched], *, most: int = MOST_RANKED) -> dict[int | None, list[Watched]]:
    """The first places of each category that anything is found of, and of all together, which has the key None.

    Each broadcaster and category is found once at most.
    """
    by_category: defaultdict[int | None, list[Watched]] = defaultdict(list)
    sums: dict[int, Watched] = {}
    most_watched: dict[int, Watched] = {}
    for one in found:
        by_category[one.category_id].append(one)
        key = one.broadcaster_id
        if key not in sums:
            sums[key] = most_watched[key] = one
            continue
        most_watched[key] = min(most_watched[key], one, key=lambda each: (each.order, each.category_id))
        sums[key] = Watched(
            key,
            most_watched[key].category_id,
            sums[key].watch_minutes + one.watch_minutes,
            max(sums[key].peak, one.peak),
            sums[key].unique + one.unique,
        )
    by_category[None] = list(sums.values())
    return {key: heapq.nsmallest(most, group, key=lambda one: one.order) for key, group in by_category.items()}
