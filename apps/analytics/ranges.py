"""The days that somebody asks about: of an address of the API, and of a page's range picker. Pure: no I/O, no clock.

Days are those of Asia/Seoul. In code and in the API a range goes up to, but not including, `until`; on pages, where
people read it, to its last day inclusive.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .daily import ONE_DAY

MOST_DAYS = 400
# Nothing was recorded before, and no calendar of a database ends before the other.
FIRST_DAY = datetime.date(2000, 1, 1)
LAST_DAY = datetime.date(2200, 1, 1)
# Days that the picker offers; 1 is today.
PRESETS = (1, 7, 28, 90, 365)
DEFAULT_DAYS = 28

Problem = Literal["unreadable", "backwards", "too_long", "out_of_reach"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class RangeRefused(ValueError):
    """What is asked about is no range of days; `problem` says why not."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem: Problem = problem


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `since` up to, but not including, `until`."""

    since: datetime.date
    until: datetime.date

    @property
    def days(self) -> int:
        """How many."""
        return (self.until - self.since).days

    @property
    def last(self) -> datetime.date:
        """The last of them."""
        return self.until - ONE_DAY


def day_read(text: str) -> datetime.date:
    """YYYY-MM-DD as a day; RangeRefused for all else, also what other readers of dates would guess at."""
    if _DAY.fullmatch(text) is None:
        raise RangeRefused("unreadable")
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise RangeRefused("unreadable") from None


def range_make(since: datetime.date, until: datetime.date) -> DayRange:
    """These days; RangeRefused if there are none, more than MOST_DAYS, or some that no record can have."""
    if since >= until:
        raise RangeRefused("backwards")
    if (until - since).days > MOST_DAYS:
        raise RangeRefused("too_long")
    if since < FIRST_DAY or until > LAST_DAY:
        raise RangeRefused("out_of_reach")
    return DayRange(since, until)


def range_last(days: int, *, today: datetime.date) -> DayRange:
    """So many days up to and including today."""
    return DayRange(today + ONE_DAY - days * ONE_DAY, today + ONE_DAY)


@dataclass(frozen=True, slots=True)
class Picked:
    """What a page's address asks for. `preset` is 0 for dates of the visitor's own; `typed` is what the form shows.

    With a `problem` the range is the usual one.
    """

    days: DayRange
    preset: int
    typed: tuple[str, str]
    problem: Problem | None = None

    @property
    def query(self) -> str:
        """What asks for the same days again."""
        return f"days={self.preset}" if self.preset else f"from={self.days.since}&to={self.days.last}"


def range_pick(asked: Mapping[str, str], *, today: datetime.date) -> Picked:
    """`days=28`, or `from=2026-01-01` and `to=2026-01-31` (its last day), or nothing."""
    first, last = asked.get("from", "")[:10], asked.get("to", "")[:10]
    usual = range_last(DEFAULT_DAYS, today=today)
    if first or last:
        try:
            until = day_read(last)
            if until >= LAST_DAY:
                raise RangeRefused("out_of_reach")
            return Picked(range_make(day_read(first), until + ONE_DAY), 0, (first, last))
        except RangeRefused as error:
            return Picked(usual, DEFAULT_DAYS, (first, last), error.problem)
    number = next((preset for preset in PRESETS if str(preset) == asked.get("days", "")), 0)
    days = range_last(number or DEFAULT_DAYS, today=today)
    problem: Problem | None = "unreadable" if asked.get("days") and not number else None
    return Picked(days, number or DEFAULT_DAYS, (days.since.isoformat(), days.last.isoformat()), problem)
