"""Which partitions a table of the past needs, which it has, and what is to be done about the difference.

Pure: no database, no clock, no settings. A partition holds a whole day, month or year of Asia/Seoul, whatever zone the
database stores moments in: statistics are made of days in Seoul, so a day is read from one partition and retention
never cuts one in two. The last partition has no end and catches what comes when nobody made tomorrow's in time.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from apps.audience.sessions import SEOUL

CATCH_ALL = "pmax"
# MySQL allows 8,192, and each costs files and memory whenever the table is opened.
MOST_PARTITIONS = 1_000
_TICK = datetime.timedelta(microseconds=1)


class PlanError(ValueError):
    """What was asked for makes no sense; says what."""


class Period(Enum):
    """A day, month or year of Asia/Seoul."""

    DAY = "%Y%m%d"
    MONTH = "%Y%m"
    YEAR = "%Y"

    def start(self, moment: datetime.datetime, shift: int = 0) -> datetime.datetime:
        """When the period around this moment began; `shift` periods later, or earlier if it is below 0."""
        day = moment.astimezone(SEOUL).date()
        if self is Period.DAY:
            day += datetime.timedelta(days=shift)
        elif self is Period.MONTH:
            years, month = divmod(day.month - 1 + shift, 12)
            day = datetime.date(day.year + years, month + 1, 1)
        else:
            day = datetime.date(day.year + shift, 1, 1)
        return datetime.datetime.combine(day, datetime.time(), tzinfo=SEOUL)

    def ends(self, first: datetime.datetime, last: datetime.datetime) -> Iterator[datetime.datetime]:
        """The ends of all periods that end after `first` and not after `last`."""
        end = self.start(first, 1)
        while end <= last:
            yield end
            end = self.start(end, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one table is to be partitioned.

    `ahead`: periods made before they begin. `kept`: whole periods kept before the one that runs, 0 for all of them.
    `holds_days`: the column is a day of Seoul and not a moment.
    """

    table: str
    column: str
    period: Period
    ahead: int
    kept: int
    holds_days: bool = False

    def __post_init__(self) -> None:
        if self.ahead < 1 or self.kept < 0:
            raise PlanError(f"{self.table}: ahead must be 1 or more, and kept 0 (for ever) or more")

    def keep_from(self, now: datetime.datetime) -> datetime.datetime | None:
        """Everything from this moment on is kept; None if nothing is ever dropped."""
        return self.period.start(now, -self.kept) if self.kept else None


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition and the moment before which its rows lie, None for no end. `rows` is an estimate, `size` in bytes."""

    name: str
    until: datetime.datetime | None
    rows: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Create:
    """Partition a table that has none. All its rows are written anew."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Put these partitions in place of one. Its rows move to where they belong, and none is lost."""

    name: str
    into: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Add partitions after the last one, which has an end."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop partitions with their rows, all of which lie before `before`."""

    names: tuple[str, ...]
    before: datetime.datetime


Step = Create | Split | Append | Drop


def plan_make(
    layout: Layout,
    existing: Sequence[Partition] | None,
    *,
    now: datetime.datetime,
    since: datetime.datetime | None = None,
) -> list[Step]:
    """What is to be done, in order; empty if all is as it should be.

    `existing` in order of their ends, None for a table without partitions. `since`: periods from then on get partitions
    of their own, too; without it a new table begins with the period that runs. What is older than the first partition's
    period lies in the first one. PlanError if that would make more than `MOST_PARTITIONS`.
    """
    period, keep_from = layout.period, layout.keep_from(now)
    horizon = period.start(now, layout.ahead + 1)
    if since is not None and keep_from is not None:
        since = max(since, keep_from)
    named = [(partition, partition.until) for partition in existing or () if partition.until is not None]
    steps: list[Step] = []
    if not named:
        made = _partitions(period, period.ends(now if since is None else min(since, now), horizon))
        full = (*made, Partition(CATCH_ALL, None))
        steps.append(Create(full) if not existing else Split(existing[0].name, full))
    else:
        first, first_until = named[0]
        made = ()
        if since is not None and since < first_until:
            made = _partitions(period, (end for end in period.ends(since, first_until) if end < first_until))
            if made:
                steps.append(Split(first.name, (*made, Partition(first.name, first_until))))
        last_until = named[-1][1]
        missing = _partitions(
            period, (end for end in period.ends(last_until, horizon) if keep_from is None or end >= keep_from)
        )
        steps += _appended(existing or (), missing)
        made += missing
    if len(existing or ()) + len(made) > MOST_PARTITIONS:
        raise PlanError(f"{layout.table} would have more than {MOST_PARTITIONS} partitions")
    if keep_from is not None:
        old = tuple(partition.name for partition, until in named if until <= keep_from)
        # A gap of more than the retention leaves one partition for all of it, made above and as old.
        gap = tuple(part.name for part in made if part.until is not None and part.until <= keep_from)
        if old or gap:
            steps.append(Drop((*old, *gap), keep_from))
    return steps


def _partitions(period: Period, ends: Iterator[datetime.datetime]) -> tuple[Partition, ...]:
    """Partitions with these ends, each named for the period before its end."""
    return tuple(
        Partition(period.start(end - _TICK).strftime(f"p{period.value}"), end)
        for end in (moment.astimezone(SEOUL) for moment in ends)
    )


def _appended(existing: Sequence[Partition], missing: tuple[Partition, ...]) -> list[Step]:
    """The step that puts the missing partitions at the end; the catch-all comes last and is made if there is none."""
    last = existing[-1]
    if last.until is None:
        return [Split(last.name, (*missing, Partition(last.name, None)))] if missing else []
    return [Append((*missing, Partition(CATCH_ALL, None)))]
