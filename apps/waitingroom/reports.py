"""What happened at a zone over a span of time: an event that was scheduled, or any span that somebody asks about.

Minutes come from zone_statistics; the last ones, which no job has written yet, from Redis. Waits of a span are counted
from the minutes' own histograms, never averaged from their quantiles.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q

from apps.realtime import redis
from apps.realtime.slicing import slices

from . import store
from .audit import latest_notes_of
from .models import Zone, ZoneStatistic
from .selectors import PIPELINE
from .statistics import KEPT_MINUTES, QUANTILES, wait_quantile

MINUTE = timedelta(minutes=1)
# A minute a row: a week is ten thousand of them.
LONGEST = timedelta(days=7)
# An event is over when its line has been empty for so long, at the latest a day after it opened.
QUIET = timedelta(minutes=15)
LONGEST_EVENT = timedelta(hours=24)
# Openings found in a zone's past, and how many changes of its schedule are read for them.
OPENINGS_SHOWN = 10
OPENINGS_READ = 200
COLUMNS = ("joins", "entries", "left", "evicted", "refused", "would_wait", "waiting")


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of a zone in which something happened; counts as in ZoneStatistic."""

    minute: datetime
    joins: int
    entries: int
    left: int
    evicted: int
    refused: int
    would_wait: int
    waiting: int
    waits: Mapping[int, int] = field(default_factory=dict)  # bucket -> entries; see statistics.wait_quantile
    # As they were written, for minutes from before histograms were kept.
    wait_p50: int | None = None
    wait_p90: int | None = None
    wait_p99: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A zone from `start` until before `end`, both whole minutes; `minutes` are those in which something happened.

    `waits` are the seconds within which half, nine in ten and 99 in 100 of those who entered had entered; None if
    nobody did. `abandoned` left of their own accord or fell silent.
    """

    start: datetime
    end: datetime
    minutes: Sequence[Minute]
    arrivals: int
    admitted: int
    left: int
    evicted: int
    refused: int
    would_wait: int
    waits: tuple[int | None, int | None, int | None]
    peak: int
    peak_at: datetime | None
    fastest: int  # entries of the fullest minute
    fastest_at: datetime | None

    @property
    def abandoned(self) -> int:
        """Who gave up or was lost."""
        return self.left + self.evicted

    @property
    def abandoned_percent(self) -> float | None:
        """Of those who came; None if nobody did. More than 100 when the line stood before the span began."""
        return round(100 * self.abandoned / self.arrivals, 1) if self.arrivals else None


@dataclass(frozen=True, slots=True)
class Opening:
    """A scheduled opening that has come: when its pre-queue began, or else doors opened."""

    start: datetime
    opens_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """An opening and what came of it, whole minutes: the span to report on, and whether it is over."""

    start: datetime
    opens_at: datetime
    end: datetime
    is_over: bool


def minutes_of(*, zone_id: str, start: datetime, end: datetime, now: datetime) -> list[Minute]:
    """The minutes from `start` until before `end` in which something happened, oldest first.

    From the one on in which the zone was made: what was before was another's, under the same id. Without the youngest
    ones while Redis is away.
    """
    zone = Zone.objects.filter(pk=zone_id).values_list("created_at", "counted_to").first()
    made, counted_to = zone or (None, None)
    if made is not None:
        start = max(start, _whole(made))
    rows = ZoneStatistic.objects.filter(zone_id=zone_id, minute__gte=start, minute__lt=end).order_by("minute")
    found = {row.minute: _written(row) for row in rows}
    first = max(start, now.replace(second=0, microsecond=0) - (KEPT_MINUTES - 1) * MINUTE)
    if counted_to is not None:
        first = max(first, counted_to + MINUTE)
    fresh = range(_number(first), _number(min(end, now + MINUTE)))
    with redis.may_be_away("zone_report"):  # what is written is what is known
        found.update(_from_redis(zone_id, fresh))
    return [found[minute] for minute in sorted(found)]


def _written(row: ZoneStatistic) -> Minute:
    counts = {name: getattr(row, name) for name in (*COLUMNS, *QUANTILES)}
    return Minute(minute=row.minute, waits={int(bucket): by for bucket, by in row.waits.items()}, **counts)


def _from_redis(zone_id: str, numbers: range) -> Iterator[tuple[datetime, Minute]]:
    for part in slices(numbers, PIPELINE):
        replies = redis.run_now([store.stats(zone_id, number) for number in part])
        if error := redis.first_error(replies):
            raise error
        for number, reply in zip(part, replies, strict=True):
            if not reply:
                continue
            counted = store.stats_read(reply)
            moment = datetime.fromtimestamp(number * 60, tz=UTC)
            counts: dict[str, Any] = {name: getattr(counted, name) for name in COLUMNS}
            counts |= {name: wait_quantile(counted.waits, share) for name, share in QUANTILES.items()}
            yield moment, Minute(minute=moment, waits=counted.waits, **counts)


def _number(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def report_make(*, start: datetime, end: datetime, minutes: Sequence[Minute]) -> Report:
    """The sums of these minutes, which lie between `start` and `end`."""
    waits: Counter[int] = Counter()
    for one in minutes:
        waits.update(one.waits)
    peak = max(minutes, key=lambda one: one.waiting, default=None)
    fastest = max(minutes, key=lambda one: one.entries, default=None)
    total = {name: sum(getattr(one, name) for one in minutes) for name in COLUMNS}
    p50, p90, p99 = (wait_quantile(waits, share) for share in QUANTILES.values())
    return Report(
        start=start,
        end=end,
        minutes=minutes,
        arrivals=total["joins"],
        admitted=total["entries"],
        left=total["left"],
        evicted=total["evicted"],
        refused=total["refused"],
        would_wait=total["would_wait"],
        waits=(p50, p90, p99),
        peak=peak.waiting if peak else 0,
        peak_at=peak.minute if peak and peak.waiting else None,
        fastest=fastest.entries if fastest else 0,
        fastest_at=fastest.minute if fastest and fastest.entries else None,
    )


def report(*, zone_id: str, start: datetime, end: datetime, now: datetime) -> Report:
    """What happened at the zone from `start` until before `end`, whole minutes; see `Report`."""
    found = minutes_of(zone_id=zone_id, start=start, end=end, now=now)
    return report_make(start=start, end=end, minutes=found)


# --- events ---------------------------------------------------------------------------------------------------------


def openings_of(*, zone_id: str, now: datetime) -> list[Opening]:
    """The scheduled openings of a zone that have come, newest first, at most OPENINGS_SHOWN.

    Read from what was done to the zone: a schedule that was taken back or moved before it came is none.
    """
    scheduled = Q(after__has_key="opens_at") | Q(after__has_key="prequeue_from")
    # One more than is shown: what the oldest did not change was set before it.
    changes = list(latest_notes_of(zone_id).filter(scheduled)[: OPENINGS_READ + 1])
    found: list[Opening] = []
    opens_at = prequeue_from = None
    for number, change in enumerate(reversed(changes)):
        opens_at = _moment(change.after.get("opens_at", opens_at))
        prequeue_from = _moment(change.after.get("prequeue_from", prequeue_from))
        later = min(changes[-2 - number].at, now) if number < len(changes) - 1 else now
        if opens_at is not None and change.at < opens_at <= later:
            found.append(Opening(start=prequeue_from or opens_at, opens_at=opens_at))
    return found[: -OPENINGS_SHOWN - 1 : -1]


def _moment(value: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def event_of(*, zone_id: str, opening: Opening, now: datetime) -> Event:
    """The span of an event: from its pre-queue or opening until its line was empty; see `event_end`."""
    start, opens_at = (_whole(moment) for moment in (opening.start, opening.opens_at))
    found = minutes_of(zone_id=zone_id, start=opens_at, end=opens_at + LONGEST_EVENT, now=now)
    end, is_over = event_end(opens_at=opens_at, minutes=found, now=_whole(now) + MINUTE)
    return Event(start=start, opens_at=opens_at, end=end, is_over=is_over)


def _whole(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def event_end(*, opens_at: datetime, minutes: Iterable[Minute], now: datetime) -> tuple[datetime, bool]:
    """When an event that opened at `opens_at` was over, and whether it is: nobody waited or came for QUIET.

    At the latest LONGEST_EVENT after it opened. A minute that is not among them is one in which nothing happened.
    """
    latest = min(opens_at + LONGEST_EVENT, now)
    end = opens_at + MINUTE
    for one in minutes:
        if one.minute < opens_at or not (one.waiting or one.joins):
            continue
        if one.minute >= latest or one.minute - end >= QUIET:
            break
        end = one.minute + MINUTE
    if latest - end >= QUIET or latest < now:
        return end, True
    return latest, False


# --- as a file ------------------------------------------------------------------------------------------------------


def report_csv(found: Report) -> str:
    """A line for each minute in which something happened, times in UTC, waits in seconds; empty if nobody entered.

    With a byte order mark, without which spreadsheets of Windows take the file for another encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["minute", *COLUMNS, *QUANTILES])
    for one in found.minutes:
        waits = ["" if value is None else value for value in (getattr(one, name) for name in QUANTILES)]
        writer.writerow([one.minute.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), *_counts(one), *waits])
    return "\ufeff" + text.getvalue()


def _counts(one: Minute) -> list[int]:
    return [getattr(one, name) for name in COLUMNS]
