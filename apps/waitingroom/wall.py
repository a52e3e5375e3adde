"""What people see of their zones: rows of the wall, and one zone in detail. Pure: made of what others have read.

Health, worst first:
    lost        Redis does not know the line; gates put it back
    stale       the line was not read for STALE_MS: no gate keeps up with it, so nobody moves
    still       people may be called, and the front has not moved for a while in which the line grew
    underused   a line stands, and in the last minute fewer than half of N entered: those called do not come
    ok
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

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
    mode: str
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
        return encode(asdict(self))


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


def encode(told: Any) -> str:
    """JSON without spaces."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def moment_ms(moment: datetime | None) -> int | None:
    """Epoch ms."""
    return None if moment is None else int(moment.timestamp() * 1000)
