"""What people see of their zones: rows of the wall, and one zone in detail. Pure: made of what others have read.

Health, worst first:
    lost        Redis does not know the line; gates put it back
    unread      nobody can tell: Redis, which knows, is away
    stale       the line was not read for STALE_MS: no gate keeps up with it, so nobody moves
    behind      gates go by older rules than people set BEHIND_MS ago
    still       people may be called, and the front has not moved for a while in which the line grew
    zero        people wait, and N is 0: nobody enters until somebody raises it
    underused   a line stands, and in the last minute fewer than half of N entered: those called do not come
    ok
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from ..bearing import Bearing
from ..outcomes import WAITING
from ..outlook import FREE, state_of
from ..rules import Mode

Health = Literal["ok", "underused", "zero", "still", "behind", "stale", "unread", "lost"]
LEVELS: dict[str, int] = {
    "ok": 0,
    "underused": 2,
    "zero": 3,
    "still": 4,
    "behind": 5,
    "stale": 6,
    "unread": 7,
    "lost": 8,
}
WAITED_FOR = 1  # the level of a zone that is well and has a line
TROUBLE_STEP = 10**9  # more than wait anywhere

STALE_MS = 5_000
# A change is at every gate within a second, and told of a second later.
BEHIND_MS = 2_000
STILL_MS = 30_000
MINUTE_MS = 60_000
# Of fewer a minute chance alone makes half of them.
FEW_A_MINUTE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneFacts:
    """What people decided about a zone, as far as the wall shows it."""

    zone_id: str
    name: str
    name_ko: str
    app: str
    screen: str
    mode: Mode
    per_minute: int
    version: int
    changed_ms: int  # when it got this version
    message: str
    message_ko: str
    opens_at_ms: int | None
    prequeue_from_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WallRow:
    """One zone on the wall."""

    zone_id: str
    name: str
    name_ko: str
    app: str
    screen: str
    mode: str
    state: str  # what those who wait are told: waiting, paused, blocked, before, prequeue
    per_minute: int
    waiting: int | None  # None: it cannot be read now
    entering_per_minute: int | None  # entries of the last sixty seconds
    longest_wait_s: int | None  # how long who joins the end now will wait; 0 not at all, None nobody knows, or for good
    health: Health
    trouble: int  # the more, the higher up; see `trouble_of`
    version: int
    opens_at_ms: int | None

    def to_json(self) -> str:
        """As the wall's socket sends it."""
        return encode({name: getattr(self, name) for name in _ROW_FIELDS})


_ROW_FIELDS = [each.name for each in fields(WallRow)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What a line did in one minute of the clock; see ZoneStatistic."""

    minute: int  # epoch s at which it began
    joins: int
    entries: int
    left: int
    evicted: int
    refused: int
    would_wait: int
    waiting: int  # at its end
    peak: int | None  # the most that were seen in it
    wait_p50: int | None
    wait_p90: int | None
    wait_p99: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """What became of those who came since midnight; None: some minutes of it cannot be read now."""

    since_ms: int
    joined: int | None
    entered: int | None
    left: int | None
    evicted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds in which half, nine in ten and 99 in 100 of those who entered in the last two or three minutes had."""

    p50: int | None
    p90: int | None
    p99: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSeen:
    """A gate process that keeps up with the zone."""

    gate: str
    seen_ms: int  # when it last reported
    sockets: int  # that wait there for this zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTold:
    """A change of the zone, as people are told of it."""

    id: int
    version: int
    who: str  # "" for the system
    at_ms: int
    action: str
    before: dict[str, Any]
    after: dict[str, Any]
    why: str
    can_be_undone: bool
    undone_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePast:
    """What of a zone is read every few seconds: sent when it changed."""

    # Of the last 30 minutes, oldest first; the last one runs, unless Redis, which counts it, is away.
    history: Sequence[Minute] = field(default_factory=list)
    funnel: Funnel
    waits: Waits
    gates: Sequence[GateSeen] = field(default_factory=list)
    changes: Sequence[ChangeTold] = field(default_factory=list)
    # When N was changed in that time, epoch ms, and what it was before: newest first.
    rates: Sequence[list[int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDetail:
    """One zone as its page shows it."""

    row: WallRow
    message: str
    message_ko: str
    prequeue_from_ms: int | None
    at_ms: int  # Redis's clock when it was read, or ours
    called: int | None  # may enter, and are not in yet; None: it cannot be read now
    past: ZonePast


# --- rows -------------------------------------------------------------------------------------------------------------


def row_of(facts: ZoneFacts, bearing: Bearing | None, *, now_ms: int, is_served: bool) -> WallRow:
    """A zone's row: what people decided, what gates last told of its line, Redis's clock, whether any gate is there.

    A line that nobody tells of is empty, and sleeps until somebody comes.
    """
    waiting = 0 if bearing is None else bearing.waiting
    is_old = bearing is None or now_ms - bearing.at > MINUTE_MS
    return _row(
        facts,
        now_ms,
        _health(facts, bearing, now_ms, is_served),
        waiting=waiting,
        entering=0 if bearing is None or is_old else bearing.entering,
        wait_s=_wait_s(facts, bearing, now_ms),
    )


def _wait_s(facts: ZoneFacts, bearing: Bearing | None, now_ms: int) -> int | None:
    """How long who came now would wait; None while nobody is let in, and no gate says for how long."""
    if facts.mode in FREE:
        return 0
    if bearing is not None and bearing.waiting:
        return bearing.eta
    return 0 if facts.per_minute and state_of(facts, now_ms) == WAITING else None


def row_unread(facts: ZoneFacts, *, now_ms: int) -> WallRow:
    """A zone's row while nobody can tell how its line stands: what people decided, and no figure."""
    return _row(facts, now_ms, "unread", waiting=None, entering=None, wait_s=None)


def _row(
    facts: ZoneFacts, now_ms: int, health: Health, *, waiting: int | None, entering: int | None, wait_s: int | None
) -> WallRow:
    return WallRow(
        zone_id=facts.zone_id,
        name=facts.name,
        name_ko=facts.name_ko,
        app=facts.app,
        screen=facts.screen,
        mode=facts.mode.value,
        state=state_of(facts, now_ms),
        per_minute=facts.per_minute,
        waiting=waiting,
        entering_per_minute=entering,
        longest_wait_s=wait_s,
        health=health,
        trouble=trouble_of(health, waiting or 0),
        version=facts.version,
        opens_at_ms=facts.opens_at_ms,
    )


def _health(facts: ZoneFacts, bearing: Bearing | None, now_ms: int, is_served: bool) -> Health:
    if bearing is None or (now_ms - bearing.at > STALE_MS and not bearing.waiting):
        return "ok" if is_served else "stale"
    if bearing.lost:
        return "lost"
    if now_ms - bearing.at > STALE_MS:
        return "stale"
    if bearing.version < facts.version and bearing.at - facts.changed_ms > BEHIND_MS:
        return "behind"
    is_moving = state_of(facts, now_ms) == WAITING and facts.mode not in FREE
    if is_moving and not facts.per_minute:
        return "zero" if bearing.waiting else "ok"
    if not is_moving or not bearing.since:
        return "ok"
    # What was read before the zone opened, or by older rules, is of a line that was not to move.
    begun = max(facts.opens_at_ms or 0, facts.changed_ms if bearing.version < facts.version else 0)
    moved, since = max(bearing.moved, begun), max(bearing.since, begun)
    few = facts.per_minute < FEW_A_MINUTE
    if bearing.at - moved >= STILL_MS + few * MINUTE_MS and bearing.grown > 0:
        return "still"
    if not few and bearing.at - since >= MINUTE_MS and bearing.entering * 2 < facts.per_minute:
        return "underused"
    return "ok"


def trouble_of(health: Health, waiting: int) -> int:
    """What a wall is sorted by: first how bad it is, then how many it concerns."""
    level = LEVELS[health] or (WAITED_FOR if waiting else 0)
    return level * TROUBLE_STEP + min(waiting, TROUBLE_STEP - 1)


def sorted_by_trouble(rows: Iterable[WallRow]) -> list[WallRow]:
    """The worst first; among equals by app, screen and id."""
    return sorted(rows, key=lambda row: (-row.trouble, row.app, row.screen, row.zone_id))


def waiting_in(rows: Iterable[WallRow]) -> int | None:
    """How many wait in all of these lines; None while they cannot be read."""
    waiting = [row.waiting for row in rows]
    return None if None in waiting else sum(filter(None, waiting))


def encode(told: Any) -> str:
    """JSON without spaces."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def moment_ms(moment: datetime | None) -> int | None:
    """Epoch ms."""
    return None if moment is None else int(moment.timestamp() * 1000)
