"""When an alert begins, is told, is told again, and ends. Pure: no I/O; the time comes in as epoch ms.

A watch follows one figure of one subject (a zone, a server process, the house) for one rule. Two things in it are kept
apart. What is so: calm, pending while the figure is above the limit and must hold, firing until it has been back for a
while. And what people were told: trouble, or that it is over. A notice is due when the two differ, no quiet hours hold
it, and the last telling of trouble is as old as the rule wants it. So a figure that flaps is told of once in that time
however often it comes and goes, and whatever quiet hours held is told after them only if it is still news.

A figure that could not be read changes nothing. After a gap in which nobody looked, what must hold begins to hold anew:
nothing is known of the time between. A clock that was set back moves everything that would lie ahead of it to now.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

# Nobody looked for longer than this: four evaluations were missed.
GAP_MS = 60_000


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which nobody is told anything, from `start` up to `end`, perhaps over midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def holds(self, at_ms: int) -> bool:
        """Whether this moment lies in them."""
        clock = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a rule asks for. `repeat_ms` is at least 1."""

    limit: float  # trouble is above it
    recovers_at: float  # and over at or below this, which is no more than the limit
    hold_ms: int  # for so long it must be above
    calm_ms: int  # and so long back
    repeat_ms: int  # trouble is told once in this time at most, and again when it lasts as long
    quiet: Quiet | None = None


class Phase(StrEnum):
    """How a subject is."""

    CALM = "calm"
    PENDING = "pending"
    FIRING = "firing"


class Change(StrEnum):
    """What a look made of it."""

    OPENED = "opened"
    CLOSED = "closed"


class Notice(StrEnum):
    """What people are to be told."""

    TROUBLE = "trouble"
    REMINDER = "reminder"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where one subject stands. Times are epoch ms."""

    phase: Phase = Phase.CALM
    since_ms: int = 0  # since when the figure has been above the limit, unless calm
    calm_since_ms: int | None = None  # while firing: since when it has been back
    is_told: bool = False  # people were told of trouble, and not that it is over
    told_ms: int | None = None  # when they were last told of trouble
    at_ms: int = 0  # when the figure was last read

    def is_at_rest(self, terms: Terms, now_ms: int) -> bool:
        """Whether forgetting it changes nothing; if the clock is then set back, trouble may be told of once more."""
        is_settled = self.told_ms is None or now_ms - self.told_ms >= terms.repeat_ms
        return self.phase is Phase.CALM and not self.is_told and is_settled


@dataclass(frozen=True, slots=True)
class Step:
    """One look at a figure, and what came of it."""

    watch: Watch
    change: Change | None = None
    notice: Notice | None = None


def step(terms: Terms, watch: Watch, value: float | None, now_ms: int) -> Step:
    """Look at a figure; None if it could not be read."""
    if value is None:
        return Step(watch)
    watch = _not_ahead(watch, now_ms)
    after_gap = now_ms - watch.at_ms > GAP_MS
    watch, change = _phase(terms, replace(watch, at_ms=now_ms), value, now_ms, after_gap=after_gap)
    watch, notice = _telling(terms, watch, now_ms)
    return Step(watch, change, notice)


def _not_ahead(watch: Watch, now_ms: int) -> Watch:
    if watch.at_ms <= now_ms:
        return watch

    def seen(moment: int | None) -> int | None:
        return None if moment is None else min(moment, now_ms)

    return replace(
        watch,
        since_ms=min(watch.since_ms, now_ms),
        calm_since_ms=seen(watch.calm_since_ms),
        told_ms=seen(watch.told_ms),
        at_ms=now_ms,
    )


def _phase(terms: Terms, watch: Watch, value: float, now_ms: int, *, after_gap: bool) -> tuple[Watch, Change | None]:
    if watch.phase is Phase.FIRING:
        if value > terms.recovers_at:
            return replace(watch, calm_since_ms=None), None
        since = now_ms if watch.calm_since_ms is None or after_gap else watch.calm_since_ms
        if now_ms - since >= terms.calm_ms:
            return replace(watch, phase=Phase.CALM, since_ms=0, calm_since_ms=None), Change.CLOSED
        return replace(watch, calm_since_ms=since), None
    if value <= terms.limit:
        return replace(watch, phase=Phase.CALM, since_ms=0), None
    since_ms = now_ms if watch.phase is Phase.CALM or after_gap else watch.since_ms
    if now_ms - since_ms >= terms.hold_ms:
        return replace(watch, phase=Phase.FIRING, since_ms=since_ms), Change.OPENED
    return replace(watch, phase=Phase.PENDING, since_ms=since_ms), None


def _telling(terms: Terms, watch: Watch, now_ms: int) -> tuple[Watch, Notice | None]:
    if terms.quiet is not None and terms.quiet.holds(now_ms):
        return watch, None
    if watch.phase is Phase.FIRING:
        if watch.told_ms is not None and now_ms - watch.told_ms < terms.repeat_ms:
            return watch, None
        notice = Notice.REMINDER if watch.is_told else Notice.TROUBLE
        return replace(watch, is_told=True, told_ms=now_ms), notice
    return (replace(watch, is_told=False), Notice.RECOVERY) if watch.is_told else (watch, None)
