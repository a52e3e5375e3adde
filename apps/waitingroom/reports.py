"""What happened at a zone over a span of time.

Minutes come from zone_statistics; the last ones, which no job has written yet, from Redis. A minute of which neither
tells is one in which nothing happened, unless nobody can know: those are named. Waits of a span are counted from the
minutes' own histograms, never averaged from their quantiles.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from apps.realtime import redis
from apps.realtime.slicing import slices

from . import store
from .audit import notes_of
from .models import ChangeAction, Zone, ZoneGap, ZoneStatistic
from .selectors import PIPELINE
from .statistics import KEPT_MINUTES, QUANTILES, kept_from, wait_quantile

MINUTE = timedelta(minutes=1)
# A minute a row: a week is ten thousand of them.
LONGEST = timedelta(days=7)
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
    waiting: int  # at its end
    peak: int | None = None  # the most that were seen in it; None: it is from before that was kept
    waits: Mapping[int, int] = field(default_factory=dict)  # bucket -> entries; see statistics.wait_quantile
    # As they were written, for minutes from before histograms were kept.
    wait_p50: int | None = None
    wait_p90: int | None = None
    wait_p99: int | None = None

    @property
    def longest(self) -> int:
        """The longest line of it that is known of."""
        return self.waiting if self.peak is None else self.peak


Why = Literal["forgotten", "lost", "unread"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Minutes from `start` until before `end` of which nobody can tell, and why: `forgotten`, as they are too old;
    `lost`, as no job wrote them while Redis had them; `unread`, as Redis, which has them, is away."""

    start: datetime
    end: datetime
    why: Why


@dataclass(frozen=True, slots=True)
class Told:
    """The minutes of a span in which something happened, and those of which nobody can tell, both oldest first."""

    minutes: Sequence[Minute]
    unknown: Sequence[Unknown] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A zone from `start` until before `end`, both whole minutes; `minutes` are those in which something happened.

    Sums are of what is known; of the minutes in `unknown` nobody can tell. `waits` are the seconds within which half,
    nine in ten and 99 in 100 of those who entered had entered; None if nobody did. `abandoned` left of their own accord
    or fell silent.
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
    unknown: Sequence[Unknown] = ()

    @property
    def is_blank(self) -> bool:
        """Whether nothing at all of it is known, so that no zero is one."""
        known_from = self.start
        for one in self.unknown:
            if one.start <= known_from:
                known_from = max(known_from, one.end)
        is_all = known_from >= self.end or any(one.why == "unread" and one.end == known_from for one in self.unknown)
        return is_all and not self.minutes

    @property
    def abandoned(self) -> int:
        """Who gave up or was lost."""
        return self.left + self.evicted

    @property
    def abandoned_percent(self) -> float | None:
        """Of those who came; None if nobody did. More than 100 when the line stood before the span began."""
        return round(100 * self.abandoned / self.arrivals, 1) if self.arrivals else None


def minutes_of(*, zone_id: str, start: datetime, end: datetime, now: datetime) -> Told:
    """The minutes from `start` until before `end` in which something happened, and those of which nobody can tell.

    From the one on in which the zone was made: what was before was another's, under the same id.
    """
    zone = Zone.objects.filter(pk=zone_id).values_list("created_at", "counted_to").first()
    made, counted_to = zone or (None, None)
    if made is not None:
        start = max(start, whole(made))
    end = min(end, whole(now) + MINUTE)
    first_kept = kept_from(now)
    first_read = whole(now) - (KEPT_MINUTES - 1) * MINUTE
    # Up to before it all is written that ever will be. Who asks of a zone that is gone is told what there is.
    written = first_read if zone is None else start if counted_to is None else counted_to + MINUTE
    unknown: list[Unknown] = []

    def cannot_tell(since: datetime, until: datetime, why: Why) -> None:
        since, until = max(since, start), min(until, end)
        if since < until:
            unknown.append(Unknown(since, until, why))

    if first_kept is not None:
        first_kept = whole(first_kept) + MINUTE
        cannot_tell(start, first_kept, "forgotten")
        start = max(start, first_kept)
    gaps = ZoneGap.objects.filter(zone_id=zone_id, lost_from__lt=end, lost_to__gt=start).order_by("lost_from")
    for gap in gaps:
        cannot_tell(gap.lost_from, gap.lost_to, "lost")
    cannot_tell(written, first_read, "lost")
    rows = ZoneStatistic.objects.filter(zone_id=zone_id, minute__gte=start, minute__lt=end).order_by("minute")
    found = {row.minute: _written(row) for row in rows}
    first = max(start, first_read, written)
    is_read = False
    with redis.may_be_away("zone_report"):
        found.update(list(_from_redis(zone_id, range(_number(first), _number(end)))))
        is_read = True
    if not is_read:
        cannot_tell(first, end, "unread")
    return Told([found[minute] for minute in sorted(found)], unknown)


def _written(row: ZoneStatistic) -> Minute:
    counts = {name: getattr(row, name) for name in (*COLUMNS, "peak", *QUANTILES)}
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
            counts: dict[str, Any] = {name: getattr(counted, name) for name in (*COLUMNS, "peak")}
            counts |= {name: wait_quantile(counted.waits, share) for name, share in QUANTILES.items()}
            yield moment, Minute(minute=moment, waits=counted.waits, **counts)


def _number(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def whole(moment: datetime) -> datetime:
    """The beginning of its minute."""
    return moment.replace(second=0, microsecond=0)


def report_make(*, start: datetime, end: datetime, told: Told) -> Report:
    """The sums of what is told of the minutes from `start` until before `end`."""
    minutes = [one for one in told.minutes if start <= one.minute < end]
    unknown = [replace(one, end=min(one.end, end)) for one in told.unknown if one.start < end]
    waits: Counter[int] = Counter()
    for one in minutes:
        waits.update(one.waits)
    peak = max(minutes, key=lambda one: one.longest, default=None)
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
        peak=peak.longest if peak else 0,
        peak_at=peak.minute if peak and peak.longest else None,
        fastest=fastest.entries if fastest else 0,
        fastest_at=fastest.minute if fastest and fastest.entries else None,
        unknown=unknown,
    )


def report(*, zone_id: str, start: datetime, end: datetime, now: datetime) -> Report:
    """What happened at the zone from `start` until before `end`, whole minutes; see `Report`."""
    return report_make(start=start, end=end, told=minutes_of(zone_id=zone_id, start=start, end=end, now=now))


@dataclass(frozen=True, slots=True)
class Clear:
    """When a line was cleared, and how many lost their places; None if that could not be read then."""

    at: datetime
    waiting: int | None


def clears_of(*, zone_id: str, start: datetime, end: datetime) -> list[Clear]:
    """When the zone's line was cleared between these moments, oldest first."""
    notes = notes_of(zone_id).filter(action=ChangeAction.CLEARED, at__gte=start, at__lt=end).order_by("pk")
    return [Clear(note.at, note.before.get("waiting")) for note in notes]


# --- as a file ------------------------------------------------------------------------------------------------------


def report_csv(found: Report) -> str:
    """A line for each minute in which something happened, times in UTC, waits in seconds; empty if nobody entered.

    A minute of which nobody can tell has a line, too, of empty cells: no zeros, and what adds up columns goes on. With
    a byte order mark, without which spreadsheets of Windows take the file for another encoding.
    """
    lines: dict[datetime, list[int | str]] = {}
    for span in found.unknown:
        for number in range(_number(span.start), _number(span.end)):
            lines[datetime.fromtimestamp(number * 60, tz=UTC)] = [""] * (len(COLUMNS) + 1 + len(QUANTILES))
    for one in found.minutes:
        waits = ["" if value is None else value for value in (getattr(one, name) for name in QUANTILES)]
        lines[one.minute.astimezone(UTC)] = [*(getattr(one, name) for name in COLUMNS), one.longest, *waits]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["minute", *COLUMNS, "peak", *QUANTILES])
    writer.writerows([f"{minute:%Y-%m-%dT%H:%M:%SZ}", *lines[minute]] for minute in sorted(lines))
    return "\ufeff" + text.getvalue()
