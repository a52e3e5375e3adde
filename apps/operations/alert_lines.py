"""How lines stand, for alert rules: what gates last told of every zone, and from it one reading of a kind.

All lines are read at once, as the managers' wall reads them, so 500 zones cost Redis what one does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.waitingroom.board_store import Board
from apps.waitingroom.manage.wall import STALE_MS
from apps.waitingroom.models import Zone, ZoneMode

from .alert_kinds import AlertKind
from .alert_memory import Memory, stillness
from .alert_readings import Reading

# A wait without end, such as that of a paused zone, is told as a day.
ENDLESS_S = 86_400.0
CALLING = (ZoneMode.OPEN, ZoneMode.QUEUE_ALL)
# Everybody goes in at once; who is in line still has only not come yet.
FREE = (ZoneMode.BYPASS, ZoneMode.OBSERVE)


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """A zone and how its line stands, as gates tell it. `waiting` is None if nobody knows: see `is_adrift`."""

    zone: Zone
    waiting: int | None
    entering: int = 0  # entries of the last sixty seconds
    epoch: int = 0
    front: int = 0

    @property
    def is_adrift(self) -> bool:
        """Whether people wait, or did, and no gate keeps up with them; or there is no gate that anybody could ask."""
        return self.waiting is None


def lines_of(zones: Iterable[Zone], board: Board) -> list[ZoneLine]:
    """How the line of each of these zones stands. Gates tell nothing of a line that is empty."""
    return [_line(zone, board) for zone in zones]


def _line(zone: Zone, board: Board) -> ZoneLine:
    bearing = board.lines.get(zone.pk)
    is_old = bearing is not None and board.now_ms - bearing.at > STALE_MS
    if bearing is None or (is_old and not bearing.waiting and not bearing.lost):
        return ZoneLine(zone, 0 if board.gates else None)
    if is_old or bearing.lost:
        return ZoneLine(zone, None)
    return ZoneLine(zone, bearing.waiting, bearing.entering, bearing.epoch, bearing.front)


def zone_reading(kind: str, each: ZoneLine, memory: Memory | None, now_ms: int) -> Reading:
    """The figure of this kind for one zone."""
    zone = each.zone
    place = f"{zone.name} ({zone.pk})"
    place_ko = f"{zone.name_ko or zone.name} ({zone.pk})"
    if each.waiting is None:
        return Reading(None, place, place_ko, memory)
    if kind == AlertKind.LINE:
        return Reading(each.waiting, place, place_ko)
    is_yet_to_open = zone.opens_at is not None and zone.opens_at.timestamp() * 1000 > now_ms
    if is_yet_to_open:  # everybody waits for that, and knows it
        return Reading(0.0, place, place_ko)
    if kind == AlertKind.STILL:
        memory, still_s = stillness(memory, epoch=each.epoch, front=each.front, waiting=each.waiting, now_ms=now_ms)
        return Reading(still_s, place, place_ko, memory)
    value = _wait_s(zone, each.waiting) if kind == AlertKind.WAIT else _unused_percent(zone, each)
    return Reading(value, place, place_ko)


def _wait_s(zone: Zone, waiting: int) -> float:
    """For how long who joins the end now waits, at N a minute."""
    if not waiting or zone.mode in FREE:
        return 0.0
    if zone.mode not in CALLING or not zone.per_minute:
        return ENDLESS_S
    return min(ENDLESS_S, waiting * 60 / zone.per_minute)


def _unused_percent(zone: Zone, each: ZoneLine) -> float:
    """How much of N nobody used in the last sixty seconds, though enough people wait to use all of it."""
    unused = zone.per_minute - each.entering
    if zone.mode not in CALLING or unused <= 0 or (each.waiting or 0) < unused:
        return 0.0
    return 100 * unused / zone.per_minute
