"""What the managers' pages show when they are opened; from then on their sockets go on (feed.py)."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from apps.accounts.models import User
from apps.realtime import redis
from apps.realtime.clock import epoch_ms

from .. import store
from ..board_store import Board, board_look, board_read
from ..managers import zones_of
from ..models import Zone
from ..outcomes import BLOCKED, PAUSED
from ..outlook import FREE, state_of
from ..rules import Mode
from ..windows import Schedule
from .wall import WallRow, ZoneDetail, ZoneFacts, row_of, row_unread, sorted_by_trouble
from .zone_sight import changes_read, facts_read, gates_seen, past_of, rates_read, unwritten, waits_of, written_read

# So old a look at a line may be that a page is told of which asks again by itself.
LOOK_KEPT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of the line at another N, if nobody else came."""

    per_minute: int
    waiting: int | None  # None: it cannot be read now
    clears_at: datetime | None  # None: never, or nobody knows
    seconds: int | None
    mode: Mode
    state: str  # what those who wait are told


@dataclass(frozen=True, slots=True)
class _Look:
    at: float  # monotonic
    line: store.LineStatus
    windows: Mapping[int, int]


def wall_rows(zone_ids: Collection[str] | None = None) -> list[WallRow]:
    """The rows of these zones, or of all, most trouble first. One query, one call to Redis.

    While Redis is away they say what people decided, and no figure.
    """
    board = _board()
    facts = facts_read(None if zone_ids is None else list(zone_ids))
    return sorted_by_trouble(_row(each, board) for each in facts.values())


def _row(facts: ZoneFacts, board: Board | None) -> WallRow:
    if board is None:
        return row_unread(facts, now_ms=epoch_ms())
    return row_of(facts, board.lines.get(facts.zone_id), now_ms=board.now_ms, is_served=bool(board.gates))


def wall_now(user: User) -> list[WallRow]:
    """The rows of all zones that somebody may look at, most trouble first."""
    return wall_rows(zones_of(user))


def zone_now(zone_id: str) -> ZoneDetail:
    """One zone in detail. Zone.DoesNotExist when there is none."""
    facts = facts_read([zone_id]).get(zone_id)
    if facts is None:
        raise Zone.DoesNotExist(zone_id)
    board = _board(zone_id)
    written = written_read(zone_id, timezone.now())
    at_ms = epoch_ms() if board is None else board.now_ms
    minute = at_ms // 60_000
    numbers = sorted({*waits_of(minute), minute, *unwritten(written, minute)})
    fresh = {}
    if board is not None:  # one that hangs is waited for once
        with redis.may_be_away("manage_page"):
            replies = redis.ask_now([store.stats(zone_id, number) for number in numbers])
            fresh = {number: store.stats_read(reply) for number, reply in zip(numbers, replies, strict=True)}
    bearing = None if board is None else board.lines.get(zone_id)
    gates = (board and board.gates) or {}
    return ZoneDetail(
        row=_row(facts, board),
        message=facts.message,
        message_ko=facts.message_ko,
        prequeue_from_ms=facts.prequeue_from_ms,
        at_ms=at_ms,
        called=None if board is None else 0 if bearing is None else bearing.called,
        past=past_of(
            written,
            fresh,
            minute=minute,
            gates=gates_seen(zone_id, gates),
            changes=changes_read(zone_id),
            rates=rates_read(zone_id, timezone.now()),
        ),
    )


def _board(zone_id: str = "") -> Board | None:
    """What gates told; None while Redis is away."""
    replies = []
    with redis.may_be_away("manage_page"):
        replies = redis.ask_now([board_look(zone_id=zone_id, gates=True)])
    return board_read(replies[0]) if replies else None


# The last looks of this process, by when a zone was made and by its line. Pages ask again and again while a line moves,
# and however many of them do, Redis is to notice nothing.
_looks: dict[tuple[str, datetime, int], _Look] = {}


def _line_look(zone: Zone, old_s: float) -> _Look | None:
    """The line as it stands, or as it stood `old_s` ago; None if it is not there or cannot be read."""
    now, which = time.monotonic(), (zone.pk, zone.created_at, zone.epoch)
    known = _looks.pop(which, None)
    if known is None or now - known.at > old_s:
        known = None
        with redis.may_be_away("manage_page"):
            status, windows = redis.ask_now([store.status(zone.pk), store.windows(zone.pk)])
            if (line := store.status_read(status)) is not None:
                known = _Look(now, line, store.windows_read(windows))
    if known is not None:
        _looks[which] = known
    for key in [key for key, look in list(_looks.items()) if now - look.at > LOOK_KEPT_S]:
        _looks.pop(key, None)
    return known


def preview(zone_id: str, per_minute: int, *, is_away: bool = False, old_s: float = 0.0) -> Preview:
    """When the line as it stands now would be through at so many a minute, by its mode and opening.

    Zone.DoesNotExist when there is no such zone; nothing is known of a line that Redis lacks, or while it is away.
    `is_away`: it was found so just now, and is not asked. `old_s`: how old a look at the line may be that this process
    took already.
    """
    zone = Zone.objects.get(pk=zone_id)
    rules = zone.rules()
    now_ms = epoch_ms()
    unknown = Preview(
        per_minute=per_minute,
        waiting=None,
        clears_at=None,
        seconds=None,
        mode=rules.mode,
        state=state_of(rules, now_ms),
    )
    if is_away:
        _looks.clear()
    look = None if is_away else _line_look(zone, old_s)
    if look is None:
        return unknown
    line = look.line
    now_ms = max(line.now_ms, now_ms)
    state = state_of(rules, now_ms)
    schedule = Schedule(
        now_ms,
        per_minute,
        look.windows,
        paused=rules.mode not in FREE and state in (PAUSED, BLOCKED),
        opens_at_ms=rules.opens_at_ms,
    )
    clears_ms = now_ms if rules.mode in FREE else schedule.clears_ms(line.waiting)
    return Preview(
        per_minute=per_minute,
        waiting=line.waiting,
        clears_at=None if clears_ms is None else datetime.fromtimestamp(clears_ms / 1_000, tz=UTC),
        seconds=None if clears_ms is None else max(0, -(-(clears_ms - now_ms) // 1_000)),
        mode=rules.mode,
        state=state,
    )
