"""Events of a zone: the scheduled openings that have come, and what came of each.

Which openings came is read from what was done to the zone; when an event was over, from its minutes. Events of one
zone do not overlap: one ends at the latest where the next begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from .audit import latest_notes_of
from .reports import LONGEST, MINUTE, Minute, Report, Unknown, minutes_of, report_make, whole
from .statistics import kept_from

# An event is over when its line has been empty for so long, at the latest a day after it opened.
QUIET = timedelta(minutes=15)
# After a minute in which people waited, nothing told of the next ones means that nobody listened: Redis or the gates
# were away, and people keep their places. A line that nobody speaks of for so long is gone.
SILENCE = timedelta(hours=2)
LONGEST_EVENT = timedelta(hours=24)
# Of a longer pre-queue so much is told: an event as a whole is no longer than a report may be.
LONGEST_GATHERING = LONGEST - LONGEST_EVENT
# How many changes of a zone's schedule are read for its openings.
OPENINGS_READ = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """A scheduled opening that has come: when its pre-queue began, or else doors opened; when the next one began."""

    start: datetime
    opens_at: datetime
    until: datetime | None = None  # None: there is no next one


@dataclass(frozen=True, slots=True)
class Event:
    """An opening and what came of it, whole minutes: the span to report on, and whether it is over."""

    start: datetime
    opens_at: datetime
    end: datetime
    is_over: bool


def openings_of(*, zone_id: str, now: datetime) -> list[Opening]:
    """The scheduled openings of a zone that have come, newest first, as far as their minutes are kept.

    Read from what was done to the zone: a schedule that was taken back or moved before it came is none.
    """
    scheduled = Q(after__has_key="opens_at") | Q(after__has_key="prequeue_from")
    # One more than is gone by: what the oldest did not change was set before it.
    changes = list(latest_notes_of(zone_id).filter(scheduled)[: OPENINGS_READ + 1])[::-1]
    found: list[Opening] = []
    opens_at = prequeue_from = planned_at = None
    for change, following in zip(changes, [*changes, None][1:], strict=True):
        opens_at = _moment(change.after.get("opens_at", opens_at))
        prequeue_from = _moment(change.after.get("prequeue_from", prequeue_from))
        if opens_at is None or opens_at <= change.at:
            planned_at = None
            continue
        planned_at = planned_at or change.at
        start = max(prequeue_from or opens_at, opens_at - LONGEST_GATHERING)
        if found:  # what is left of its pre-queue is not the next one's
            start = max(start, planned_at)
        has_come = opens_at <= (now if following is None else min(following.at, now))
        if found and (has_come or (following is None and start <= now)):
            found[-1] = replace(found[-1], until=start)
        if has_come:
            found.append(Opening(start=start, opens_at=opens_at))
            planned_at = None
    first = kept_from(now)
    return [one for one in reversed(found) if first is None or one.opens_at >= first]


def _moment(value: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def event_report(*, zone_id: str, opening: Opening, now: datetime) -> tuple[Event, Report]:
    """An event, from its pre-queue or opening until its line was empty (see `event_end`), and the report of it."""
    start, opens_at = (whole(moment) for moment in (opening.start, opening.opens_at))
    told = minutes_of(zone_id=zone_id, start=start, end=opens_at + LONGEST_EVENT, now=now)
    end, is_over = event_end(
        opens_at=opens_at,
        minutes=told.minutes,
        unknown=told.unknown,
        now=whole(now) + MINUTE,
        until=opening.until and whole(opening.until),
    )
    event = Event(start=start, opens_at=opens_at, end=end, is_over=is_over)
    return event, report_make(start=start, end=end, told=told)


def event_end(
    *,
    opens_at: datetime,
    minutes: Sequence[Minute],
    now: datetime,
    unknown: Sequence[Unknown] = (),
    until: datetime | None = None,
) -> tuple[datetime, bool]:
    """When an event that opened at `opens_at` was over, and whether it is: nobody waited or came for QUIET.

    At the latest LONGEST_EVENT after it opened, or when the next one began (`until`). A minute that is not among them
    is one in which nothing happened, but for `unknown` ones, which are not quiet. While people wait, quiet of less than
    SILENCE ends nothing.
    """
    latest = max(opens_at + MINUTE, min(opens_at + LONGEST_EVENT, now, until or now))
    end, enough, blind_to = opens_at + MINUTE, QUIET, opens_at
    spans: list[tuple[datetime, Minute | Unknown]] = [(one.minute, one) for one in minutes]
    spans += [(one.start, one) for one in unknown if one.end > opens_at]
    for start, one in sorted(spans, key=lambda span: (span[0], isinstance(span[1], Minute))):
        if isinstance(one, Minute) and start < blind_to:
            continue
        if start >= latest or start - end >= enough:
            break
        if isinstance(one, Unknown):
            end, enough, blind_to = max(end, one.end), QUIET, one.end
            continue
        had_line = enough == SILENCE
        if one.waiting or one.joins or (had_line and (one.entries or one.left or one.evicted)):
            end = max(end, start + MINUTE)
        enough = SILENCE if one.waiting else QUIET
    end = min(end, latest)
    if latest - end >= enough or latest < now:
        return end, True
    return latest, False
