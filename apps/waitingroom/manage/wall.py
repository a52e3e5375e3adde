"""What people see of their zones: rows of the wall, and one zone in detail. Pure: made of what others have read.

Health, worst first:
    lost        Redis does not know the line; gates put it back
    stale       the line was not read for STALE_MS: no gate keeps up with it, so nobody moves
    still       people may be called, and the front has not moved for a while in which the line grew
    underused   a line stands, and in the last minute fewer than half of N entered: those called do not come
    ok
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from ..bearing import Bearing
from ..outcomes import WAITING
from ..outlook import FREE, state_of
from ..rules import Mode

Health = Literal["ok", "underused", "still", "stale", "lost"]
LEVELS: dict[str, int] = {"ok": 0, "underused": 2, "still": 3, "stale": 4, "lost": 5}
WAITED_FOR = 1  # the level of a zone that is well and has a line
TROUBLE_STEP = 10**9  # more than wait anywhere

STALE_MS = 5_000
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
    waiting: int
    entering_per_minute: int  # entries of the last sixty seconds
    longest_wait_s: int | None  # how long who joins the end now will wait; 0 nobody waits, None nobody knows
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
    waiting: int
    wait_p50: int | None
    wait_p90: int | None
    wait_p99: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """What became of those who came since midnight."""

    since_ms: int
    joined: int
    entered: int
    left: int
    evicted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds within which half, nine in ten and 99 in 100 of those who entered in the last two minutes had entered."""

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

    history: Sequence[Minute] = field(default_factory=list)  # of the last 30 minutes, oldest first; the last one runs
    funnel: Funnel
    waits: Waits
    gates: Sequence[GateSeen] = field(default_factory=list)
    changes: Sequence[ChangeTold] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDetail:
    """One zone as its page shows it."""

    row: WallRow
    message: str
    message_ko: str
    prequeue_from_ms: int | None
    called: int  # may enter, and are not in yet
    past: ZonePast

    def to_json(self) -> dict[str, Any]:
        """One object: the row's fields, the zone's own, and those of the past."""
        told = asdict(self)
        return {**told.pop("row"), **told.pop("past"), **told}


# --- rows -------------------------------------------------------------------------------------------------------------


def row_of(facts: ZoneFacts, bearing: Bearing | None, *, now_ms: int, is_served: bool) -> WallRow:
    """A zone's row: what people decided, what gates last told of its line, Redis's clock, whether any gate is there.

    A line that nobody tells of is empty, and sleeps until somebody comes.
    """
    state = state_of(facts, now_ms)
    waiting = 0 if bearing is None else bearing.waiting
    health = _health(facts, bearing, state, now_ms, is_served)
    is_old = bearing is None or now_ms - bearing.at > MINUTE_MS
    return WallRow(
        zone_id=facts.zone_id,
        name=facts.name,
        name_ko=facts.name_ko,
        app=facts.app,
        screen=facts.screen,
        mode=facts.mode.value,
        state=state,
        per_minute=facts.per_minute,
        waiting=waiting,
        entering_per_minute=0 if bearing is None or is_old else bearing.entering,
        longest_wait_s=0 if bearing is None or not waiting else bearing.eta,
        health=health,
        trouble=trouble_of(health, waiting),
        version=facts.version,
        opens_at_ms=facts.opens_at_ms,
    )


def _health(facts: ZoneFacts, bearing: Bearing | None, state: str, now_ms: int, is_served: bool) -> Health:
    if bearing is None or (now_ms - bearing.at > STALE_MS and not bearing.waiting):
        return "ok" if is_served else "stale"
    if bearing.lost:
        return "lost"
    if now_ms - bearing.at > STALE_MS:
        return "stale"
    if state != WAITING or facts.mode in FREE or not facts.per_minute or not bearing.since:
        return "ok"
    few = facts.per_minute < FEW_A_MINUTE
    if bearing.at - bearing.moved >= STILL_MS + few * MINUTE_MS and bearing.grown > 0:
        return "still"
    if not few and bearing.at - bearing.since >= MINUTE_MS and bearing.entering * 2 < facts.per_minute:
        return "underused"
    return "ok"


def trouble_of(health: Health, waiting: int) -> int:
    """What a wall is sorted by: first how bad it is, then how many it concerns."""
    level = LEVELS[health] or (WAITED_FOR if waiting else 0)
    return level * TROUBLE_STEP + min(waiting, TROUBLE_STEP - 1)


def sorted_by_trouble(rows: Iterable[WallRow]) -> list[WallRow]:
    """The worst first; among equals by app, screen and id."""
    return sorted(rows, key=lambda row: (-row.trouble, row.app, row.screen, row.zone_id))


def encode(told: Any) -> str:
    """JSON without spaces."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def moment_ms(moment: datetime | None) -> int | None:
    """Epoch ms."""
    return None if moment is None else int(moment.timestamp() * 1000)
